"""``report.html``: one file per run that shows in one look what broke and where the message died.

Everything is inline and drawn here, so that the file can be mailed, attached to a build and opened years later. Ids,
texts and log lines come from foreign servers: all of them are escaped by ``markup``, and nothing else makes markup.
"""

NAME = "report.html"
"""How a report is called in its run's folder."""
