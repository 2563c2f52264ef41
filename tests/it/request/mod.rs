mod cancel;
mod cooldown_resends;
mod deadline;
mod events;
mod held_edges;
mod history;
mod hold;
#[cfg(feature = "hyper-util")]
mod lost_connections;
#[cfg(feature = "hyper-util")]
mod lost_wire;
mod no_response;
mod paced;
mod readiness;
mod resend;
mod secrets;
#[cfg(all(feature = "tokio", feature = "tower-http"))]
mod spans;
mod trace;
