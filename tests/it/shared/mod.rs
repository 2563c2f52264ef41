mod budget;
mod cooldown;
mod cooldown_edges;
mod cooldown_events;
