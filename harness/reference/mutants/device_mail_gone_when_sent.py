"""Deletes a message to a device when it is sent to it, before the device has said that it is there."""

from __future__ import annotations

from harness.reference.device_mail import DeviceMail
from harness.reference.frames import Confirm, DeviceMessage
from harness.reference.parts import Parts
from harness.reference.sessions import Key


class GoneWhenSent(DeviceMail):
    """Spares itself the waiting for a word of the device."""

    def handed_out(self, key: Key, message: DeviceMessage) -> None:
        """Take what was written to the connection for received."""
        self.confirm(key, Confirm(ref="", sender=message.sender, id=message.id))


PARTS = Parts(device_mail=GoneWhenSent)
