//! Leaves a server alone for as long as it asked for (`Retry-After`, RFC 9110 §10.2.3).
//!
//! The client library drops that header, so it is looked at where answers come in. It holds for all
//! requests to the store: what one was told, the others would be told next.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpRequest, HttpResponse, HttpService, ReqwestConnector,
};
use tokio::sync::watch;
use tokio::time::sleep;

/// The longest that a server is waited for at its word. Signatures of requests outlive it.
const LONGEST: Duration = Duration::from_secs(30);

/// Makes connections that keep the pace which servers ask for.
#[derive(Debug, Default)]
pub(super) struct Paced;

impl HttpConnector for Paced {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let inner = ReqwestConnector::default().connect(options)?;
        Ok(HttpClient::new(Pace { inner, pauses: Arc::default() }))
    }
}

#[derive(Debug)]
struct Pace {
    inner: HttpClient,
    /// How many pauses are not over that the server asked for.
    pauses: Arc<watch::Sender<usize>>,
}

type Answer<'a> = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'a>>;

impl HttpService for Pace {
    // What `async fn` is in this trait, written out.
    fn call<'life, 'answer>(&'life self, request: HttpRequest) -> Answer<'answer>
    where
        'life: 'answer,
        Self: 'answer,
    {
        Box::pin(async move {
            let over = self.pauses.subscribe().wait_for(|pauses| *pauses == 0).await.map(drop);
            over.expect("the sender is kept");
            let response = self.inner.execute(request).await?;
            let is_throttled = matches!(response.status().as_u16(), 429 | 503);
            let asked = response.headers().get("retry-after").and_then(|value| value.to_str().ok());
            if let Some(pause) = asked.filter(|_| is_throttled).and_then(pause) {
                self.pauses.send_modify(|pauses| *pauses += 1);
                let pauses = Arc::clone(&self.pauses);
                tokio::spawn(async move {
                    sleep(pause).await;
                    pauses.send_modify(|pauses| *pauses -= 1);
                });
            }
            Ok(response)
        })
    }
}

/// How long a server wants to be left alone. It may name a date instead, which would take a clock
/// that is right: then it is tried as if it had said nothing.
fn pause(value: &str) -> Option<Duration> {
    value.trim().parse().ok().map(Duration::from_secs).map(|pause| pause.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_seconds_and_never_long() {
        for (value, seconds) in [("2", Some(2)), (" 0 ", Some(0)), ("86400", Some(30))] {
            assert_eq!(pause(value), seconds.map(Duration::from_secs), "{value}");
        }
        for value in ["", "-1", "1.5", "soon", "Wed, 21 Oct 2015 07:28:00 GMT"] {
            assert_eq!(pause(value), None, "{value}");
        }
    }
}
