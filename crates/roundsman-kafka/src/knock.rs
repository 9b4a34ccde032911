//! The first question to a cluster: whether it lets this program in, and if not, why.
//!
//! A call of the client that no broker answers says only that none did. Why a broker refused is told
//! beside it, to whoever polls; so the first question is asked here, and what is told is listened to.

use crate::cluster::client;
use crate::config::KafkaConfig;
use crate::error::{refused, store_error, unavailable};
use parking_lot::Mutex;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::Metadata;
use roundsman_store::StoreError;
use std::time::Duration;

/// What there is in the cluster.
///
/// # Errors
/// [`Unusable`](StoreError::Unusable): it does not let this program in.
/// [`Unavailable`](StoreError::Unavailable): no broker answers.
pub(crate) fn knock(config: &KafkaConfig) -> Result<Metadata, StoreError> {
    let knocking: BaseConsumer<Ear> = client(config)
        .create_with_context(Ear::default())
        .map_err(|error| store_error(config, &error))?;
    let ask = |wait: Duration| {
        knocking.fetch_metadata(None, wait).map_err(|error| {
            listen(config, &knocking).unwrap_or_else(|| unanswered(config, &knocking, &error))
        })
    };
    match ask(LOOK.min(config.patience)) {
        Err(StoreError::Unavailable(_)) => ask(config.patience),
        answer => answer,
    }
}

/// Why a broker refused, if one did.
fn listen(config: &KafkaConfig, knocking: &BaseConsumer<Ear>) -> Option<StoreError> {
    (0..POLLS).find_map(|_| {
        let _ = knocking.poll(POLL);
        let heard = knocking.context().0.lock();
        heard.as_ref().and_then(|(code, why)| refused(config, *code, why))
    })
}

/// No broker answered, and none refused.
fn unanswered(
    config: &KafkaConfig,
    knocking: &BaseConsumer<Ear>,
    error: &KafkaError,
) -> StoreError {
    match &*knocking.context().0.lock() {
        Some((_, why)) => unavailable(config, why),
        // They closed every connection, which is how they refuse those who say nothing.
        None => unavailable(config, &format!("{error}; {MAY_WANT}")),
    }
}

/// What the client said last of its connections.
#[derive(Default)]
struct Ear(Mutex<Option<(RDKafkaErrorCode, String)>>);

impl ClientContext for Ear {
    // Whoever asked is told.
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        tracing::debug!(?level, facility, "{message}");
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let code = error.rdkafka_error_code();
        // That all are down follows what is wrong with the last of them.
        if let Some(code) = code.filter(|code| *code != RDKafkaErrorCode::AllBrokersDown) {
            // How long that took helps nobody.
            let reason = reason.split(" (after ").next().unwrap_or(reason);
            *self.0.lock() = Some((code, reason.to_owned()));
        }
    }
}

impl ConsumerContext for Ear {}

const MAY_WANT: &str = "a broker may want TLS (`kafkas://`), or a name and a password";
/// So long it takes at most to hear of a refusal, where a cluster answers at all.
const LOOK: Duration = Duration::from_secs(1);
/// What the client has to say waits until it is asked for.
const POLLS: usize = 10;
const POLL: Duration = Duration::from_millis(10);
