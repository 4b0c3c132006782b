//! The service: Azure's API over the engine. HTTP, TLS, tokens, routes; it translates and decides
//! nothing.
//!
//! ```text
//!  TLS ─► front ─► routes ─► token ─► role ─► a handler in `arm` ─► engine
//!         limits,  one       401      403     parse, call, render
//!         headers  table
//! ```
//!
//! Only `front` and this file are asynchronous. A handler is an ordinary function from a [`Call`]
//! to a [`Reply`] or a fault; `front` runs it on a thread that may block, because the engine does.
//!
//! What the service keeps in the data directory, readable by its owner only: `ca.pem` and `ca.key`
//! (its own certificate authority), `token.key` (signs access tokens), `credentials.json`. The
//! server's certificate is made anew at each start and renewed in memory; it is never on disk.
//!
//! # Access
//!
//! Deny by default: everything needs a token except the routes marked open in the table, and a
//! token gives access only while its principal is in the ledger. What the principal may do is
//! looked up at each request: the roles it holds on the URL's resource or above it must allow the
//! route's action (`rules::access`), and so for every id in a body (`Call::require`). Lists of a
//! subscription or a group show what the caller may see.
//!
//! What is in another subscription is not found, whoever asks: nobody learns that it exists.
//!
//! Secrets never reach the log: it gets methods, paths, statuses and request ids.
//!
//! [`Call`]: call::Call
//! [`Reply`]: call::Reply

#![warn(missing_docs)]

mod access;
mod arm;
mod call;
mod files;
mod filter;
mod front;
mod login;
mod metrics;
mod path;
mod principals;
mod routes;
mod status;
mod tls;
mod tokens;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use engine::Engine;
use tokio::runtime::Runtime;

pub use files::FileError;
pub use principals::PrincipalError;
pub use tls::TlsError;

use front::Service;
use tls::Authority;
use tokens::Tokens;

/// How long running requests may take to end once the service is asked to stop.
const GRACE: Duration = Duration::from_secs(5);
/// How often the age of the server's certificate and of the key for tokens is looked at.
const AGE_CHECK: Duration = Duration::from_secs(6 * 60 * 60);
/// Threads that engine calls may block at once: more requests than that wait for one.
const BLOCKING_THREADS: usize = 64;

/// Where the service listens and keeps its files.
#[derive(Debug, Clone)]
pub struct Options {
    /// The address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The data directory, which the engine has locked.
    pub data_dir: PathBuf,
}

/// Why the service could not start, or stopped by itself.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The certificates or keys could not be made or read.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The first principal could not be made.
    #[error(transparent)]
    Principal(#[from] PrincipalError),
    /// The threads that serve could not be started, or serving broke off.
    #[error("serving failed")]
    Serve(#[source] io::Error),
}

/// A running service.
pub struct Running {
    address: SocketAddr,
    handle: Handle<SocketAddr>,
    thread: JoinHandle<io::Result<()>>,
}

/// Stops a running service, from any thread.
#[derive(Clone)]
pub struct Stopper(Handle<SocketAddr>);

impl Running {
    /// The address it listens on, with the port that it really has.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What stops it, to be kept by whoever hears signals.
    pub fn stopper(&self) -> Stopper {
        Stopper(self.handle.clone())
    }

    /// Waits until it has stopped.
    ///
    /// # Errors
    ///
    /// Serving broke off by itself.
    pub fn wait(self) -> Result<(), ServiceError> {
        let ended = self.thread.join();
        let ended = ended.unwrap_or_else(|_| Err(io::Error::other("the serving thread panicked")));
        ended.map_err(ServiceError::Serve)
    }
}

impl Stopper {
    /// Takes no new connections; running requests get some seconds to end. Returns at once.
    pub fn stop(&self) {
        self.0.graceful_shutdown(Some(GRACE));
    }
}

/// Starts the service. When this returns, it serves.
///
/// At the first start it makes a certificate authority, a signing key, an Owner principal and
/// `credentials.json`; see the module.
///
/// # Errors
///
/// See [`ServiceError`].
pub fn run(engine: Arc<Engine>, options: Options) -> Result<Running, ServiceError> {
    let Options { listen, data_dir } = options;
    let listen_error = |source| ServiceError::Listen { address: listen, source };
    let listener = TcpListener::bind(listen).map_err(listen_error)?;
    listener.set_nonblocking(true).map_err(listen_error)?;
    let address = listener.local_addr().map_err(listen_error)?;

    let now = engine.clock().now();
    let authority = Authority::open(&data_dir, now)?;
    let certificate = authority.server_config(&tls::names(address), now)?;
    let tokens = Tokens::open(&data_dir, engine.tenancy(), now)?;
    let endpoint = format!("https://localhost:{}", address.port());
    principals::ensure_credentials(&engine, &data_dir, &endpoint)?;

    let service = Arc::new(Service::new(engine, tokens, endpoint));
    let config = RustlsConfig::from_config(certificate);
    let handle = Handle::new();
    let runtime = runtime().map_err(ServiceError::Serve)?;
    let served = serve(listener, config.clone(), handle.clone(), Arc::clone(&service));
    let renewing = renew(service, authority, address, config);
    let thread = std::thread::Builder::new()
        .name("serve".to_owned())
        .spawn(move || {
            runtime.spawn(renewing);
            let ended = runtime.block_on(served);
            runtime.shutdown_timeout(GRACE);
            ended
        })
        .map_err(ServiceError::Serve)?;
    Ok(Running { address, handle, thread })
}

fn runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(BLOCKING_THREADS)
        .enable_all()
        .build()
}

async fn serve(
    listener: TcpListener,
    config: RustlsConfig,
    handle: Handle<SocketAddr>,
    service: Arc<Service>,
) -> io::Result<()> {
    let mut server = axum_server::from_tcp_rustls(listener, config)?.handle(handle);
    let http = server.http_builder();
    http.http1().max_buf_size(front::MAX_HEADERS).header_read_timeout(front::REQUEST_TIMEOUT);
    http.http2()
        .max_header_list_size(front::MAX_HEADERS as u32)
        .max_concurrent_streams(BLOCKING_THREADS as u32);
    let server = server.first_request_timeout(front::REQUEST_TIMEOUT);
    server.serve(front::router(service).into_make_service()).await
}

/// Gives the server a new certificate long before the old one ends, and tokens a new key. What
/// cannot be made is tried again at the next look.
async fn renew(
    service: Arc<Service>,
    authority: Authority,
    address: SocketAddr,
    config: RustlsConfig,
) {
    let mut made_at = service.now();
    loop {
        tokio::time::sleep(AGE_CHECK).await;
        let now = service.now();
        if let Err(error) = service.tokens.rotate(now) {
            tracing::warn!(%error, "the key that signs access tokens was not replaced");
        }
        if !tls::is_due(made_at, now) {
            continue;
        }
        match authority.server_config(&tls::names(address), now) {
            Ok(certificate) => {
                config.reload_from_config(certificate);
                made_at = now;
            }
            Err(error) => tracing::warn!(%error, "the server's certificate was not renewed"),
        }
    }
}
