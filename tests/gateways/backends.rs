//! The servers behind the gateways.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpSocket},
};

use super::support::{
    no_body,
    wire::{Counter, Server},
};

/// The ports of four servers: one refuses connections, one never responds, one reads and closes, and
/// one counts requests.
pub struct Backends {
    pub dead: u16,
    pub silent: u16,
    pub rude: u16,
    pub ledger: u16,
    pub executed: Executed,
    /// Bound but not listening: connections are refused, and no other process gets the port.
    _dead: TcpSocket,
}

/// The applied requests, and their counts.
#[derive(Clone, Default)]
pub struct Executed {
    requests: Arc<Mutex<HashMap<String, u32>>>,
    pub count: Counter,
}

impl Executed {
    fn add<B>(&self, request: &Request<B>) {
        let name = format!("{} {}", request.method(), request.uri().path());
        let mut requests = self.requests.lock().expect("no panic");
        *requests.entry(name).or_default() += 1;
        self.count.add(1);
    }

    /// Returns how often a request such as `GET /ledger/7` was applied.
    pub fn times(&self, request: &str) -> u32 {
        let requests = self.requests.lock().expect("no panic");
        requests.get(request).copied().unwrap_or_default()
    }
}

impl Backends {
    pub async fn start() -> Self {
        let dead = TcpSocket::new_v4().expect("loopback");
        dead.bind(([127, 0, 0, 1], 0).into()).expect("loopback");
        let (silent, rude) = (listen().await, listen().await);
        let ports = [&silent, &rude].map(|l| l.local_addr().expect("bound").port());
        tokio::spawn(async move {
            let mut held = Vec::new();
            while let Ok((stream, _)) = silent.accept().await {
                held.push(stream);
            }
        });
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = rude.accept().await {
                let _ = stream.read(&mut [0; 4096]).await;
            }
        });
        let executed = Executed::default();
        let book = executed.clone();
        let ledger = Server::start(move |request: Request<Incoming>| {
            let book = book.clone();
            async move {
                let (head, body) = request.into_parts();
                if body.collect().await.is_ok() {
                    book.add(&Request::from_parts(head, ()));
                }
                Response::new(no_body())
            }
        });
        Self {
            dead: dead.local_addr().expect("bound").port(),
            silent: ports[0],
            rude: ports[1],
            ledger: ledger.await.address.port(),
            executed,
            _dead: dead,
        }
    }
}

async fn listen() -> TcpListener {
    TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback")
}
