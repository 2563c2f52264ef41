mod budget;
mod cooldown;
mod cooldown_events;
