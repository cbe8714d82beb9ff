"""How well an agent gets on with sweeper: tasks with checkers, an agent that is a script, and a seat for others."""
