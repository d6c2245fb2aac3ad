"""A contract simulator of Tencent RTC Chat: ``python -P -m harness.tencent_simulator`` (docs/tencent.md).

The REST API, the UserSig rules, the error codes and the webhooks are Tencent's as documented; the gateway by which
devices hear of messages, the sign-in and the control port are ours. It stands on the storage, the live sessions and the
push worker of the reference backend.
"""
