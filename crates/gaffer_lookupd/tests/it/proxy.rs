//! What is between a node and its server, and breaks.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// Carries connections, and cuts each after as many bytes as a dice says, in whichever direction: in the middle of whatever is on its way.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    cuts: Arc<AtomicBool>,
    /// How many connections were cut.
    pub(crate) cut: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

/// Numbers that look like chance and are the same each time.
#[derive(Clone)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        // Xorshift.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

impl Proxy {
    pub(crate) async fn start(server: SocketAddr, mut dice: Dice) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let cuts = Arc::new(AtomicBool::new(true));
        let still_cuts = Arc::clone(&cuts);
        let cut = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&cut);
        let task = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let Ok(far) = TcpStream::connect(server).await else { continue };
                // A handshake takes some 300 bytes, and then there is not much to say at once.
                let left = still_cuts.load(Ordering::Relaxed).then(|| dice.below(1500));
                let counted = Arc::clone(&counted);
                tokio::spawn(async move {
                    if carry(near, far, left.unwrap_or(u64::MAX)).await {
                        counted.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        Self { address, cuts, cut, task }
    }

    /// From now on connections last; those that are to be cut still are.
    pub(crate) fn calm(&self) {
        self.cuts.store(false, Ordering::Relaxed);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Carries what both say, until one ends, or so many bytes are carried: whether it was that.
async fn carry(mut near: TcpStream, mut far: TcpStream, mut left: u64) -> bool {
    let (mut from_near, mut from_far) = ([0; 512], [0; 512]);
    loop {
        let (read, is_near) = tokio::select! {
            read = near.read(&mut from_near) => (read, true),
            read = far.read(&mut from_far) => (read, false),
        };
        let Ok(read @ 1..) = read else { return false };
        let carried = read.min(usize::try_from(left).unwrap_or(usize::MAX));
        let written = if is_near {
            far.write_all(&from_near[..carried]).await
        } else {
            near.write_all(&from_far[..carried]).await
        };
        left -= carried as u64;
        if written.is_err() || left == 0 {
            return left == 0;
        }
    }
}
