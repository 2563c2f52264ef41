mod decisions;
mod methods;
mod one_request;
mod time;
