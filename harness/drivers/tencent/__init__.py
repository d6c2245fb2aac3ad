"""The server API of Tencent RTC Chat, REST v4 (source of all facts: tencentcloud.com/document/product/1047)."""
