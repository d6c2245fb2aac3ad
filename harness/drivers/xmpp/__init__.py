"""XMPP over plain streams (source of all facts: RFC 6120, RFC 6121 and the extension that each module names)."""
