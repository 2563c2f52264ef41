//! A stand-in for the API on 127.0.0.1, with the gateway in front of it that counts the account's calls.
//! It remembers each note that was made, so that a test can prove that none was lost or made twice.

use std::{
    convert::Infallible,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, time::Instant};

/// A running server. It ends with the runtime; a clone is the same server.
#[derive(Clone)]
pub struct Api {
    address: SocketAddr,
    limit: u32,
    window: Duration,
    /// The start of the first window: before the server's, because clients do not know it.
    epoch: Instant,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// The calls of each window, refused ones too.
    calls: Vec<u32>,
    notes: Vec<Bytes>,
}

impl Api {
    /// Starts a server that refuses calls beyond `limit` in a window. Refused calls count.
    pub async fn start(limit: u32, window: Duration) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let phase = window.mul_f64(fastrand::f64());
        let api = Self {
            address: listener.local_addr()?,
            limit,
            window,
            epoch: Instant::now() - phase,
            state: Arc::default(),
        };
        tokio::spawn(api.clone().serve(listener));
        Ok(api)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the request body of every note that was made, in order.
    pub fn notes(&self) -> Vec<Bytes> {
        self.state().notes.clone()
    }

    /// Returns the number of calls, refused ones too.
    pub fn calls(&self) -> u32 {
        self.state().calls.iter().sum()
    }

    /// Returns the part of the limit that was used in the windows wholly between these instants.
    pub fn used(&self, start: Instant, end: Instant) -> Option<f64> {
        let window = |time: Instant| (time - self.epoch).as_secs_f64() / self.window.as_secs_f64();
        let (first, end) = (window(start).ceil() as usize, window(end) as usize);
        let state = self.state();
        let calls = (first..end).map(|n| state.calls.get(n).copied().unwrap_or(0));
        let accepted: u32 = calls.map(|calls| calls.min(self.limit)).sum();
        (first < end).then(|| f64::from(accepted) / f64::from(self.limit) / (end - first) as f64)
    }

    async fn serve(self, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            let api = self.clone();
            let service = service_fn(move |request| api.clone().respond(request));
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    }

    async fn respond(
        self,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let refused = self.count();
        let body = request.into_body().collect().await;
        if let Some(remaining) = refused {
            let seconds = remaining.as_secs() + 1;
            let text = format!(
                r#"{{ "statusCode": 429, "message": "Rate limit is exceeded. Try again in {seconds} seconds." }}"#
            );
            let mut response = json(StatusCode::TOO_MANY_REQUESTS, text);
            let headers = response.headers_mut();
            headers.insert(header::RETRY_AFTER, seconds.into());
            return Ok(response);
        }
        let Ok(body) = body else {
            return Ok(json(StatusCode::BAD_REQUEST, "{}".into()));
        };
        let mut state = self.state();
        state.notes.push(body.to_bytes());
        let id = 11026 + state.notes.len();
        let text = format!(r#"{{"ok": true, "id": {id}}}"#);
        Ok(json(StatusCode::CREATED, text))
    }

    /// Counts a call. If it is beyond the limit: returns the remaining time of the window.
    fn count(&self) -> Option<Duration> {
        let since = self.epoch.elapsed();
        let window = since.as_nanos() / self.window.as_nanos();
        let window = usize::try_from(window).expect("a few");
        let mut state = self.state();
        if state.calls.len() <= window {
            state.calls.resize(window + 1, 0);
        }
        state.calls[window] += 1;
        let next = self.window * (window as u32 + 1);
        (state.calls[window] > self.limit).then(|| next.saturating_sub(since))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn json(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}
