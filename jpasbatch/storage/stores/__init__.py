"""Where whole objects lie under keys, and what is kept there: commits, committees."""
