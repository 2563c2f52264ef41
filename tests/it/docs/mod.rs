mod interface;
mod links;
mod promises;
mod rooms;
