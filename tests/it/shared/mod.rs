mod budget;
mod cooldown;
