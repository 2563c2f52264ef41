//! HTTP/1.1 and HTTP/2 servers on hyper that misbehave by the plan.

use std::{
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
};

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use revio_status::BoxError;
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::mpsc::{self, UnboundedReceiver, UnboundedSender},
    task::JoinSet,
};

use super::{
    AnyBody, Step, Steps, any_body,
    caller::{ATTEMPT, DEADLINE},
    ledger::{Execution, Ledger},
    plan::{Act, Door, Manner, Order, Plan, TWOS, When},
    raw::{self, Takeover},
};

/// All servers; dropping ends them.
pub struct Server {
    one: SocketAddr,
    twos: Vec<SocketAddr>,
    slammed: SocketAddr,
    shut: TcpSocket,
    _accepting: JoinSet<()>,
}

/// The shared state of all connections.
#[derive(Clone)]
struct Desk {
    plan: Plan,
    ledger: Arc<Ledger>,
}

impl Server {
    /// Starts all servers.
    pub async fn start(plan: &Plan, ledger: &Arc<Ledger>) -> io::Result<Self> {
        let desk = Desk {
            plan: plan.clone(),
            ledger: ledger.clone(),
        };
        let mut accepting = JoinSet::new();
        let mut twos = Vec::new();
        for number in 0..TWOS {
            twos.push(open(Door::Two(number), &desk, &mut accepting).await?);
        }
        // Bound but not listening: connections are refused, and no other process gets the port.
        let shut = TcpSocket::new_v4()?;
        shut.bind(([127, 0, 0, 1], 0).into())?;
        Ok(Self {
            one: open(Door::One, &desk, &mut accepting).await?,
            twos,
            slammed: open(Door::Slammed, &desk, &mut accepting).await?,
            shut,
            _accepting: accepting,
        })
    }

    /// Returns this request's URI at this server.
    pub fn uri(&self, door: Door, id: usize) -> String {
        let address = match door {
            Door::One => self.one,
            Door::Two(number) => self.twos[number],
            Door::Slammed => self.slammed,
            Door::Shut => self.shut.local_addr().expect("bound"),
        };
        format!("http://{address}/v1/Payments/{id}")
    }
}

/// Accepts connections at a new port.
async fn open(door: Door, desk: &Desk, accepting: &mut JoinSet<()>) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    let desk = desk.clone();
    accepting.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // Else small writes wait for the peer's delayed acknowledgement.
            let _ = stream.set_nodelay(true);
            tokio::spawn(connection(door, stream, desk.clone()));
        }
    });
    Ok(address)
}

/// Serves one connection with hyper, until a request takes it over.
async fn connection(door: Door, mut stream: TcpStream, desk: Desk) {
    let _held = desk.ledger.live.connections.hold(1);
    let (sender, commands) = mpsc::unbounded_channel();
    let service = service_fn(|request| handle(request, desk.clone(), sender.clone()));
    let io = TokioIo::new(&mut stream);
    let takeover = match door {
        Door::One => {
            let connection = http1::Builder::new().serve_connection(io, service);
            serve(connection, http1::Connection::graceful_shutdown, commands).await
        }
        Door::Two(_) => {
            let builder = http2::Builder::new(TokioExecutor::new());
            let connection = builder.serve_connection(io, service);
            serve(connection, http2::Connection::graceful_shutdown, commands).await
        }
        Door::Slammed | Door::Shut => Some(Takeover::reset()),
    };
    if let Some(takeover) = takeover {
        // The client may be gone already.
        let _ = takeover.perform(&mut stream).await;
    }
}

/// A request's command to its connection.
enum Command {
    Farewell,
    Takeover(Takeover),
}

/// Lets hyper serve until the connection ends or is taken over.
async fn serve<C: Future>(
    connection: C,
    end_gracefully: impl Fn(Pin<&mut C>),
    mut commands: UnboundedReceiver<Command>,
) -> Option<Takeover> {
    let mut connection = pin!(connection);
    loop {
        tokio::select! {
            biased;
            Some(command) = commands.recv() => match command {
                Command::Farewell => end_gracefully(connection.as_mut()),
                Command::Takeover(takeover) => return Some(takeover),
            },
            _ = connection.as_mut() => return None,
        }
    }
}

/// Treats one attempt by the plan.
async fn handle(
    request: Request<Incoming>,
    desk: Desk,
    commands: UnboundedSender<Command>,
) -> Result<Response<AnyBody>, BoxError> {
    let (id, attempt) = (number(&request, "x-id"), number(&request, "x-attempt"));
    let order = desk.plan.order(id);
    let attempt = attempt.try_into()?;
    let act = desk.plan.act(&order, attempt);
    desk.ledger.arrived(id, attempt, act.manner);
    let mut received = Received::new(request.into_body());
    if act.manner == Manner::Gradual {
        return Ok(gradual(received, order, attempt, act, desk));
    }
    match act.when {
        When::Late => {
            received.read(usize::MAX).await?;
            if act.executes {
                received.execute(&order, attempt, &desk.ledger);
            }
        }
        When::Early { after, drains } => {
            received.read(after).await?;
            if drains {
                tokio::spawn(async move { received.read(usize::MAX).await });
            }
        }
    }
    respond(&order, act, &commands).await
}

/// Returns a number that the probe added to the request.
fn number(request: &Request<Incoming>, header: &str) -> usize {
    let text = request.headers()[header].to_str().expect("ASCII");
    text.parse().expect("a number")
}

/// Returns the response, unless the connection is taken over.
async fn respond(
    order: &Order,
    act: Act,
    commands: &UnboundedSender<Command>,
) -> Result<Response<AnyBody>, BoxError> {
    let receipt = Bytes::from(raw::receipt(order.id));
    let body = match act.manner {
        Manner::Plain => any_body(Full::new(receipt)),
        Manner::Drip => {
            let bytes = (0..receipt.len()).map(|at| Step::Data(receipt.slice(at..=at)));
            any_body(Steps::new(bytes.flat_map(|step| [step, Step::Yield])))
        }
        Manner::Farewell => {
            let _ = commands.send(Command::Farewell);
            any_body(Full::new(receipt))
        }
        // Not endless: while an upload is unread, hyper does not notice that the client is gone.
        Manner::Hang => {
            let end = Step::Fail("too late");
            any_body(Steps::new([
                Step::Data(receipt),
                Step::Wait(3 * DEADLINE),
                end,
            ]))
        }
        Manner::Endless => {
            let chunk = Bytes::from_static(&[b' '; 10_000]);
            any_body(Steps::forever([Step::Data(chunk)]))
        }
        Manner::Fail => return Err("by the plan".into()),
        Manner::Stall => {
            tokio::time::sleep(2 * ATTEMPT).await;
            return Err("too late".into());
        }
        _ => {
            let _ = commands.send(Command::Takeover(Takeover::of(order.id, act)));
            std::future::pending().await
        }
    };
    Ok(response(act, body))
}

/// Returns the planned response with this body.
fn response(act: Act, body: AnyBody) -> Response<AnyBody> {
    let response = Response::builder().status(act.status);
    let headers = act.wait.headers();
    let response = headers.iter().fold(response, |response, (name, value)| {
        response.header(*name, value)
    });
    response.body(body).expect("a valid response")
}

/// Returns 200 before the upload is read, and ends the body after the upload is executed.
fn gradual(
    mut received: Received,
    order: Order,
    attempt: u32,
    act: Act,
    desk: Desk,
) -> Response<AnyBody> {
    let end = async move {
        received.read(usize::MAX).await?;
        received.execute(&order, attempt, &desk.ledger);
        let receipt = Bytes::from(raw::receipt(order.id));
        Ok::<_, BoxError>(Frame::data(receipt))
    };
    response(act, any_body(StreamBody::new(stream::once(end))))
}

/// The received part of an upload.
struct Received {
    incoming: Incoming,
    bytes: BytesMut,
    trailers: Option<HeaderMap>,
}

impl Received {
    /// Starts with nothing received.
    fn new(incoming: Incoming) -> Self {
        Self {
            incoming,
            bytes: BytesMut::new(),
            trailers: None,
        }
    }

    /// Reads to the end, or at least this many bytes.
    async fn read(&mut self, enough: usize) -> Result<(), BoxError> {
        while self.bytes.len() < enough {
            let Some(frame) = self.incoming.frame().await.transpose()? else {
                break;
            };
            match frame.into_data() {
                Ok(data) => self.bytes.extend_from_slice(&data),
                Err(frame) => self.trailers = frame.into_trailers().ok(),
            }
        }
        Ok(())
    }

    /// Applies the request, which must be complete.
    fn execute(&self, order: &Order, attempt: u32, ledger: &Ledger) {
        let is_whole = self.bytes == order.upload.bytes && self.trailers == order.upload.trailers();
        let execution = Execution { attempt, is_whole };
        ledger.page(order.id).executed.push(execution);
    }
}
