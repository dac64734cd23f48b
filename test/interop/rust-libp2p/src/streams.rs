//! What is done on the streams of the tests.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::Stream;
use serde::Deserialize;
use tokio::sync::{Mutex, Semaphore, oneshot};

use crate::pattern::{CHUNK_BYTES, Pattern};

pub const ECHO: &str = "/test/echo/1.0.0";
pub const TRANSFER: &str = "/test/transfer/1.0.0";
/// The acceptor lets go of the stream when it is told to: there are no resets in rust-libp2p.
pub const RESET: &str = "/test/reset/1.0.0";
/// The opener resets; the acceptor reports the code.
pub const HOLD: &str = "/test/hold/1.0.0";

pub type Outcome<T> = Result<T, String>;

/// What one stream of `TRANSFER` carries, both directions at once.
#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "camelCase", default)]
pub struct Plan {
    pub send_seed: u32,
    pub send: u64,
    pub receive_seed: u32,
    pub receive: u64,
    /// Reads nothing before `resume`.
    pub paused: bool,
}

pub struct Transfer {
    plan: Plan,
    resumed: Semaphore,
    sent: AtomicU64,
    received: AtomicU64,
    end: Mutex<Option<oneshot::Receiver<Outcome<()>>>>,
    ended: Mutex<Option<oneshot::Sender<Outcome<()>>>>,
}

impl Transfer {
    pub fn new(plan: Plan) -> Arc<Self> {
        let (ended, end) = oneshot::channel();
        Arc::new(Self {
            plan,
            resumed: Semaphore::new(if plan.paused { 0 } else { 1 }),
            sent: AtomicU64::new(0),
            received: AtomicU64::new(0),
            end: Mutex::new(Some(end)),
            ended: Mutex::new(Some(ended)),
        })
    }

    pub fn resume(&self) {
        self.resumed.add_permits(1);
    }

    /// Bytes that were sent, and that were received.
    pub fn progress(&self) -> (u64, u64) {
        (self.sent.load(Relaxed), self.received.load(Relaxed))
    }

    /// Waits for the end; once.
    pub async fn finish(&self) -> Outcome<()> {
        let end = self.end.lock().await.take().ok_or("asked twice")?;
        end.await.map_err(|e| e.to_string())?
    }

    pub async fn run(&self, stream: Stream) {
        let (reader, writer) = stream.split();
        let (sent, received) = futures::join!(self.send(writer), self.receive(reader));
        if let Some(ended) = self.ended.lock().await.take() {
            let _ = ended.send(sent.and(received));
        }
    }

    async fn send(&self, mut to: impl AsyncWrite + Unpin) -> Outcome<()> {
        let source = Pattern::new(self.plan.send_seed);
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let sent = self.sent.load(Relaxed);
            let size = (self.plan.send - sent).min(CHUNK_BYTES as u64) as usize;
            if size == 0 {
                return to.close().await.map_err(|e| format!("at the end: {e}"));
            }
            source.fill(&mut chunk[..size], sent);
            let mut done = 0;
            while done < size {
                let n = to.write(&chunk[done..size]).await;
                let n = n.map_err(|e| format!("after {sent} bytes sent: {e}"))?;
                done += n;
                self.sent.fetch_add(n as u64, Relaxed);
            }
        }
    }

    async fn receive(&self, mut from: impl AsyncRead + Unpin) -> Outcome<()> {
        let _permit = self.resumed.acquire().await.map_err(|e| e.to_string())?;
        let expected = Pattern::new(self.plan.receive_seed);
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            let received = self.received.load(Relaxed);
            let progress = format!("after {received} of {} bytes received", self.plan.receive);
            match from.read(&mut chunk).await {
                Ok(0) if received == self.plan.receive => return Ok(()),
                Ok(0) => return Err(format!("{progress}: the end")),
                Ok(n) => {
                    expected.check(&chunk[..n], received)?;
                    self.received.fetch_add(n as u64, Relaxed);
                }
                Err(e) => return Err(format!("{progress}: {e}")),
            }
        }
    }
}

/// Answers until the end of the question, and then ends, too.
pub async fn echo(stream: Stream) -> io::Result<()> {
    let (reader, mut writer) = stream.split();
    futures::io::copy(reader, &mut writer).await?;
    writer.close().await
}

/// Has `bytes` of a pattern echoed, and ends its own direction first.
pub async fn ask(stream: Stream, seed: u32, bytes: u64) -> Outcome<()> {
    let transfer = Transfer::new(Plan {
        send_seed: seed,
        send: bytes,
        receive_seed: seed,
        receive: bytes,
        paused: false,
    });
    transfer.run(stream).await;
    transfer.finish().await
}

/// Reads what it is told, and lets go.
pub async fn reset_as_told(mut stream: Stream) -> io::Result<()> {
    stream.read_exact(&mut [0; 4]).await
}

/// Tells the opener that the stream is here, and gives the code of its reset.
pub async fn wait_for_reset(mut stream: Stream) -> Outcome<u64> {
    stream.write_all(&[1]).await.map_err(|e| e.to_string())?;
    reset_of(stream).await
}

/// Has the other side reset with `code`, and gives what came.
pub async fn ask_for_reset(mut stream: Stream, code: u32) -> Outcome<u64> {
    let bytes = code.to_be_bytes();
    stream.write_all(&bytes).await.map_err(|e| e.to_string())?;
    stream.flush().await.map_err(|e| e.to_string())?;
    reset_of(stream).await
}

async fn reset_of(stream: Stream) -> Outcome<u64> {
    match futures::io::copy(stream, &mut futures::io::sink()).await {
        Ok(_) => Err("the stream ended without a reset".into()),
        Err(e) => match e.get_ref().and_then(|e| e.downcast_ref()) {
            Some(quinn::ReadError::Reset(code)) => Ok(code.into_inner()),
            _ => Err(format!("the stream ended without a reset: {e}")),
        },
    }
}
