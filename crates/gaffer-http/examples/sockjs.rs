//! SockJS services to try clients on: `echo`, the same without websockets and with a cookie, and one that closes at once.
//!
//! ```text
//! cargo run -p gaffer-http --example sockjs -- 127.0.0.1:8081
//! ```

use gaffer_http::{
    origin::Origins,
    serve::{Endpoint, Lifetime, Listener, Server},
    sockjs::{Options, Session, router},
};

async fn echo(session: Session) {
    while let Some(message) = session.recv().await {
        if session.send(message).await.is_err() {
            break; // The client is gone.
        }
    }
}

async fn close(session: Session) {
    session.close(3000, "Go away!");
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8081".to_owned());
    let listener = Listener::bind(&Endpoint { bind: address.parse()?, ..Endpoint::default() }).await?;
    println!("listening on {}", listener.listening());
    let lifetime = Lifetime::new();
    // Small, so that it can be seen how a client takes the end of an answer.
    let options = Options { origins: Origins::Any, response_limit: 4096, ..Options::default() };
    let routes = router("/echo", echo, options.clone(), lifetime.clone())
        .merge(router(
            "/disabled_websocket_echo",
            echo,
            Options { websocket: false, ..options.clone() },
            lifetime.clone(),
        ))
        .merge(router("/cookie_needed_echo", echo, Options { cookie: true, ..options.clone() }, lifetime.clone()))
        .merge(router("/close", close, options, lifetime.clone()));
    let server = Server::start(vec![listener], routes, lifetime);
    tokio::signal::ctrl_c().await?;
    server.shutdown(gaffer_http::DEFAULT_DRAIN).await;
    Ok(())
}
