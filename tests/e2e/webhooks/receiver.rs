//! A receiver of webhooks.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use gaffer_tests::{Identity, wait_until};
use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use serde_json::Value;

/// What it does with a request, of which it had so many before: a status, or none and the connection is cut.
type Manner = dyn Fn(usize) -> Option<u16> + Send + Sync;

/// A receiver. Dropping it ends it.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    events: Arc<Mutex<Vec<Value>>>,
    is_over: Arc<AtomicBool>,
    server: Option<JoinHandle<()>>,
}

impl Receiver {
    pub(crate) fn start(manner: impl Fn(usize) -> Option<u16> + Send + Sync + 'static) -> Self {
        Self::with(None, manner)
    }

    pub(crate) fn tls(identity: &Identity, manner: impl Fn(usize) -> Option<u16> + Send + Sync + 'static) -> Self {
        let chain = vec![CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        Self::with(Some(Arc::new(config.with_single_cert(chain, key).unwrap())), manner)
    }

    fn with(tls: Option<Arc<ServerConfig>>, manner: impl Fn(usize) -> Option<u16> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (events, is_over) = (Arc::<Mutex<Vec<Value>>>::default(), Arc::<AtomicBool>::default());
        let manner: Arc<Manner> = Arc::new(manner);
        let (shared, over, count) = (events.clone(), is_over.clone(), Arc::new(Mutex::new(0)));
        let server = thread::spawn(move || {
            for stream in listener.incoming() {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                let (stream, tls, events) = (stream.unwrap(), tls.clone(), shared.clone());
                let (manner, count) = (manner.clone(), count.clone());
                // It ends with its connection, which gafferd closes at its end.
                thread::spawn(move || match tls {
                    None => serve(stream, &events, &count, &*manner),
                    Some(config) => {
                        serve(
                            StreamOwned::new(ServerConnection::new(config).unwrap(), stream),
                            &events,
                            &count,
                            &*manner,
                        );
                    }
                });
            }
        });
        Self { address, events, is_over, server: Some(server) }
    }

    /// What it has taken.
    pub(crate) fn taken(&self) -> Vec<Value> {
        self.events.lock().unwrap().clone()
    }

    /// Waits until it has taken so many.
    pub(crate) fn until_taken(&self, number: usize) -> Vec<Value> {
        wait_until(&format!("{number} events are taken"), || {
            let taken = self.taken();
            if taken.len() >= number { Ok(taken) } else { Err(format!("{taken:?}")) }
        })
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        drop(TcpStream::connect(self.address));
        drop(self.server.take().map(JoinHandle::join));
    }
}

fn serve(mut stream: impl Read + Write, events: &Mutex<Vec<Value>>, count: &Mutex<usize>, manner: &Manner) {
    let mut read = Vec::new();
    loop {
        let end = read.windows(4).position(|window: &[u8]| window == b"\r\n\r\n");
        let whole = end.and_then(|end| {
            let head = String::from_utf8_lossy(&read[..end]).to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?.parse::<usize>().ok()?;
            (read.len() >= end + 4 + length).then_some((end + 4, end + 4 + length))
        });
        let Some((begin, end)) = whole else {
            let mut buffer = [0; 4096];
            match stream.read(&mut buffer) {
                Ok(0) | Err(_) => return,
                Ok(number) => read.extend_from_slice(&buffer[..number]),
            }
            continue;
        };
        let event: Value = serde_json::from_slice(&read[begin..end]).unwrap();
        read.drain(..end);
        let before = {
            let mut count = count.lock().unwrap();
            *count += 1;
            *count - 1
        };
        let Some(status) = manner(before) else { return };
        if status < 300 {
            events.lock().unwrap().push(event);
        }
        if stream.write_all(format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n").as_bytes()).is_err() {
            return;
        }
    }
}
