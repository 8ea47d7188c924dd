"""A small Slack on localhost: for people without a Slack account, and for the tests.

The package speaks Slack's own protocols (Web API, Socket Mode, Events API, response URLs, private
file downloads), so that an unmodified Bolt app works against it, and serves a page where you choose
who you are. Nothing outside this folder knows that it is not Slack.

Besides Slack's methods a *person's* token may call a few that stand for what a person does in
Slack's own client; each takes JSON or a form at ``/api/METHOD``:

``_workspace.command``
    ``channel, command, text`` runs a slash command; returns the acknowledged ``response``
``_workspace.action``
    ``channel, ts, action_id[, block_id, value]`` presses a button or picks an option; inside a
    modal or on the home tab ``view_id`` instead of ``channel, ts``
``_workspace.views``
    the caller's open modals, last on top
``_workspace.view.submit``, ``_workspace.view.close``
    ``view_id`` and, to submit, ``values{block_id: {action_id: value}}``; mistakes are ``errors``
``_workspace.home``
    opens the home tab (``tab=home``) or the DM (``tab=messages``); returns the home ``view``
``_workspace.ephemerals``
    ``channel``: the messages that only the caller sees
``_workspace.file.replace``
    ``file, upload``: an uploaded file's content replaces a shared one's
``_workspace.boot``
    everything that the page shows first

``POST /_control/*`` makes failures on demand, see ``control``.
"""
