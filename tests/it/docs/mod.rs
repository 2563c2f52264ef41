mod links;
mod promises;
mod rooms;
