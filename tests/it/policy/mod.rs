mod decisions;
mod methods;
mod one_request;
mod policy_contract;
mod time;
