//! A stand-in for the API on 127.0.0.1, so that examples need neither an account nor the Internet.
//!
//! It fails on purpose, in the words of the API and of the gateway in front of it, and records what it
//! received and applied, to prove that nothing was applied twice.

use std::{
    collections::HashMap,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Request, Response, StatusCode,
    header::{CONTENT_TYPE, LOCATION},
};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use revio_status::BoxError;
use serde_json::Value;
use tokio::net::TcpListener;

/// The responses to each operation, in turn.
const ROUTES: &[(&str, &[Reply])] = &[
    ("POST /v1/Notes", &[CREATED, LOST, LOST, CREATED]),
    ("GET /v1/Customers/7", &[FOUND]),
    ("GET /v1/Users", &[FORBIDDEN]),
    ("GET /v1/Bills", &[OVER_QUOTA]),
    ("PATCH /v1/Bills/31", &[NOT_ALLOWED]),
    ("GET /v1/Services", &[TOO_FAST, TOO_FAST, FOUND]),
    ("POST /v1/Charges", &[CREATED]),
    ("POST /v1/Payments", &[BROKEN]),
    ("POST /v1/Refunds", &[NOT_IMPLEMENTED]),
    ("GET /v1/Contacts/7", &[BUSY, FOUND]),
    ("GET /v1/Products", &[STOPPED]),
    ("GET /v1/Requests/7", &[LOST, FOUND]),
    ("PUT /v1/Addresses/7", &[STOPPED, FOUND]),
    ("GET /v1/Orders", &[MAINTENANCE]),
];

const FOUND: Reply = json(200, r#"{"ok": true, "id": 7}"#);
const CREATED: Reply = json(201, r#"{"ok": true, "id": <id>}"#);
const NO_CUSTOMER: Reply = json(400, r#"{"ok":false,"error":"customer_id missing"}"#);
const NO_KEY: Reply = json(
    401,
    r#"{ "statusCode": 401, "message": "Access denied due to missing subscription key. Make sure to include subscription key when making requests to an API." }"#,
);
const FORBIDDEN: Reply = json(403, r#"{"ok":false,"error":"No access to users"}"#);
const OVER_QUOTA: Reply = json(
    403,
    r#"{ "statusCode": 403, "message": "Out of call volume quota. Quota will be replenished in 00:30:00." }"#,
)
.with("Retry-After", "1800");
const NO_ROUTE: Reply = json(
    404,
    r#"{ "statusCode": 404, "message": "Resource not found" }"#,
);
const NOT_ALLOWED: Reply = json(
    405,
    r#"{"Message":"The requested resource does not support http method 'PATCH'."}"#,
)
.with("Allow", "GET, PUT");
const TOO_FAST: Reply = json(
    429,
    r#"{ "statusCode": 429, "message": "Rate limit is exceeded. Try again in 1 seconds." }"#,
)
.with("Retry-After", "1");
const BROKEN: Reply = json(500, r#"{"Message":"An error has occurred."}"#);
const NOT_IMPLEMENTED: Reply = json(501, r#"{"Message":"Refunds: not yet"}"#);
const BUSY: Reply =
    json(503, r#"{"ok":false,"error":"Too many requests."}"#).with("Retry-After", "1");
const MAINTENANCE: Reply =
    json(503, r#"{"ok":false,"error":"Maintenance"}"#).with("Retry-After", "3600");
/// IIS, while its application is stopped.
const STOPPED: Reply = json(
    503,
    "<HTML><HEAD><TITLE>Service Unavailable</TITLE></HEAD>\n\
     <BODY><h2>Service Unavailable</h2>\n\
     <hr><p>HTTP Error 503. The service is unavailable.</p>\n\
     </BODY></HTML>\n",
)
.with("Content-Type", "text/html; charset=us-ascii");
/// The gateway lost the response: the request is applied.
const LOST: Reply = json(504, "");

#[derive(Clone, Copy)]
struct Reply {
    status: u16,
    header: Option<(&'static str, &'static str)>,
    body: &'static str,
}

const fn json(status: u16, body: &'static str) -> Reply {
    Reply {
        status,
        header: None,
        body,
    }
}

impl Reply {
    const fn with(self, name: &'static str, value: &'static str) -> Self {
        Self {
            header: Some((name, value)),
            ..self
        }
    }
}

/// One received request.
pub struct Received {
    /// Method and path.
    pub operation: String,
    pub body: Bytes,
    /// `true` if the request was applied, whatever the response.
    pub is_applied: bool,
}

/// A running server, which ends with the runtime. Clone = the same server.
#[derive(Clone)]
pub struct Api {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

struct State {
    received: Vec<Received>,
    /// The number of responses to each operation.
    turns: HashMap<&'static str, usize>,
    last_id: u64,
}

impl Api {
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let state = State {
            received: Vec::new(),
            turns: HashMap::new(),
            last_id: 11026,
        };
        let api = Self {
            address: listener.local_addr()?,
            state: Arc::new(Mutex::new(state)),
        };
        tokio::spawn(api.clone().serve(listener));
        Ok(api)
    }

    pub fn uri(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Takes the requests received since the last call.
    pub fn take_received(&self) -> Vec<Received> {
        std::mem::take(&mut self.state().received)
    }

    async fn serve(self, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            let api = self.clone();
            let service = service_fn(move |request| api.clone().respond(request));
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    }

    async fn respond(self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, BoxError> {
        let (head, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let operation = format!("{} {}", head.method, head.uri.path());
        let (reply, id) = self.state().apply(operation, &head.headers, body);

        let mut response = Response::new(Full::from(reply.body.replace("<id>", &id)));
        *response.status_mut() = StatusCode::from_u16(reply.status)?;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some((name, value)) = reply.header {
            headers.insert(name, HeaderValue::from_static(value));
        }
        if reply.status == 201 {
            let location = self.uri(&format!("{}/{id}", head.uri.path()));
            headers.insert(LOCATION, location.parse()?);
        }
        Ok(response)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Applies an operation, or refuses it. Returns the response, and the id of what was created.
    fn apply(&mut self, operation: String, headers: &HeaderMap, body: Bytes) -> (Reply, String) {
        let reply = self.choose(&operation, headers, &body);
        let is_applied = matches!(reply.status, 200 | 201 | 504);
        if is_applied && operation.starts_with("POST") {
            self.last_id += 1;
        }
        self.received.push(Received {
            operation,
            body,
            is_applied,
        });
        (reply, self.last_id.to_string())
    }

    /// Checks key and path, as the gateway does, then the body, as the API does.
    fn choose(&mut self, operation: &str, headers: &HeaderMap, body: &[u8]) -> Reply {
        if !headers.contains_key("Ocp-Apim-Subscription-Key") {
            return NO_KEY;
        }
        let Some((name, replies)) = ROUTES.iter().find(|(name, _)| *name == operation) else {
            return NO_ROUTE;
        };
        if *name == "POST /v1/Notes" && !has_customer(body) {
            return NO_CUSTOMER;
        }
        let turn = self.turns.entry(name).or_default();
        *turn += 1;
        replies[(*turn - 1) % replies.len()]
    }
}

fn has_customer(note: &[u8]) -> bool {
    serde_json::from_slice(note).is_ok_and(|note: Value| note.get("customer_id").is_some())
}
