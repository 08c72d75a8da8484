//! A TCP stream that can be reset from elsewhere.
//! hyper has no way to break a connection without a response, so whoever plays a reset pulls the
//! plug, the connection's task then drops the stream, and the drop sends RST instead of FIN.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;

/// The switch of one connection; once pulled it stays so.
#[derive(Default)]
pub(crate) struct Plug {
    pulled: AtomicBool,
    notify: Notify,
}

impl Plug {
    pub(crate) fn pull(&self) {
        self.pulled.store(true, Ordering::Release);
        self.notify.notify_one();
    }

    /// Waits until the plug is pulled; for one waiter.
    pub(crate) async fn pulled(&self) {
        self.notify.notified().await;
    }
}

/// A TCP stream which its plug can reset.
pub(crate) struct Socket {
    stream: TcpStream,
    plug: Arc<Plug>,
}

impl Socket {
    pub(crate) fn new(stream: TcpStream, plug: Arc<Plug>) -> Self {
        Self { stream, plug }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.plug.pulled.load(Ordering::Acquire) {
            // A peer that has already gone needs no reset.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
