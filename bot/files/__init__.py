"""Files that live in Slack: fetched with the bot's token, followed over their life."""
