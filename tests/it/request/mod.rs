mod cancel;
mod deadline;
mod events;
mod held_edges;
mod history;
mod hold;
#[cfg(feature = "hyper-util")]
mod lost_connections;
#[cfg(feature = "hyper-util")]
mod lost_wire;
mod no_answer;
mod paced;
mod quiet_resends;
mod readiness;
mod resend;
mod secrets;
#[cfg(all(feature = "tokio", feature = "tower-http"))]
mod spans;
mod trace;
