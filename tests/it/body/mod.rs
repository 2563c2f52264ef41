mod capture;
mod replay;
mod replay_property;
mod replay_wire;
