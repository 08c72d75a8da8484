//! Accepts connections and serves HTTP/1.1 or HTTP/2 on each, over TCP or TLS.

use std::sync::Arc;
use std::time::Duration;

use hyper::rt::{Read, Write};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::exchange::{Connection, Listener, Provider};
use crate::socket::{Plug, Socket};

/// Room for a long prompt without waiting for the window to open.
const STREAM_WINDOW: u32 = 4 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;
const MAX_STREAMS: u32 = 4096;
/// Accepting fails when the process is out of file descriptors; they need time to come back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Accepts until the process ends.
pub(crate) async fn accept(
    tcp: TcpListener,
    tls: Option<TlsAcceptor>,
    provider: Arc<Provider>,
    listener: Arc<Listener>,
) {
    loop {
        let Ok((stream, _)) = tcp.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let plug = Arc::new(Plug::default());
        let connection =
            Connection { provider: Arc::clone(&provider), listener: Arc::clone(&listener), plug };
        tokio::spawn(converse(stream, tls.clone(), connection));
    }
}

async fn converse(stream: TcpStream, tls: Option<TlsAcceptor>, connection: Connection) {
    // Without it small events would wait for each other; a socket that refuses still works.
    let _ = stream.set_nodelay(true);
    let socket = Socket::new(stream, Arc::clone(&connection.plug));
    match tls {
        None => serve(TokioIo::new(socket), connection).await,
        Some(tls) => {
            // A handshake fails where the client does not trust the certificate; it is for the
            // client to say so.
            if let Ok(stream) = tls.accept(socket).await {
                serve(TokioIo::new(stream), connection).await;
            }
        }
    }
}

async fn serve<I: Read + Write + Send + Unpin + 'static>(io: I, connection: Connection) {
    let mut server = auto::Builder::new(TokioExecutor::new());
    server
        .http2()
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(MAX_STREAMS);
    let plug = Arc::clone(&connection.plug);
    let service = service_fn(move |request| connection.clone().answer(request));
    tokio::select! {
        // Clients that leave early and bodies that break on purpose are no news.
        _ = server.serve_connection(io, service) => {}
        () = plug.pulled() => {}
    }
}
