//! What an error of the client means to a caller of the store.

use crate::config::KafkaConfig;
use crate::entry::{Strange, VERSION};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use roundsman_store::StoreError;

/// With the place and, where there is one, the cure.
pub(crate) fn store_error(config: &KafkaConfig, error: &KafkaError) -> StoreError {
    use RDKafkaErrorCode as Code;
    let place = config.place();
    match error.rdkafka_error_code() {
        // Of its settings; nothing was asked of the cluster yet.
        None if matches!(error, KafkaError::ClientConfig(..) | KafkaError::ClientCreation(_)) => {
            StoreError::Unusable(format!("{place}: {error}; mend what its address says of TLS"))
        }
        Some(Code::MessageSizeTooLarge) => StoreError::Unusable(format!(
            "{place}: a batch is larger than the topic allows; set its max.message.bytes to \
             {MAX_RECORD}"
        )),
        Some(Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed) => {
            StoreError::Unusable(format!("{place}: {error}; allow this user to use the topic"))
        }
        Some(Code::InvalidTopic) => StoreError::Unusable(format!(
            "{place}: a topic cannot have that name; use letters, digits, `.`, `_` and `-`"
        )),
        _ => StoreError::Unavailable(format!("{place}: {error}")),
    }
}

/// No broker lets this client in, for this reason, or `None` of another kind.
pub(crate) fn refused(
    config: &KafkaConfig,
    code: RDKafkaErrorCode,
    reason: &str,
) -> Option<StoreError> {
    let cure = match code {
        RDKafkaErrorCode::Authentication => {
            "correct the name, the password or `sasl` in its address"
        }
        RDKafkaErrorCode::SSL => {
            "name the file of the authority that signed the certificates with `ca`, the brokers as \
             their certificates do, and their port for TLS"
        }
        _ => return None,
    };
    Some(StoreError::Unusable(format!("{}: {reason}; {cure}", config.place())))
}

/// A record that this version cannot read.
pub(crate) fn strange(config: &KafkaConfig, offset: u64, strange: Strange) -> StoreError {
    let place = config.place();
    StoreError::Unusable(match strange {
        Strange::Version(version) if version > VERSION => format!(
            "{place}: record {offset} is of version {version}, newer than this program knows \
             ({VERSION}); use the program that wrote it"
        ),
        Strange::Version(version) => format!(
            "{place}: record {offset} is of version {version}, not of this program's ({VERSION}); \
             stop in good order with the program that wrote it, and then change to a newer one"
        ),
        Strange::Damaged => format!(
            "{place}: record {offset} makes no sense; the topic is damaged, or not of Roundsman"
        ),
    })
}

/// Another process has it, and lives.
pub(crate) fn taken(config: &KafkaConfig) -> StoreError {
    StoreError::Locked(format!(
        "{} is open in another process: one process at a time may use a prefix; stop the other \
         one, or give this one a prefix of its own",
        config.place()
    ))
}

/// Another process took over.
pub(crate) fn fenced(config: &KafkaConfig) -> StoreError {
    StoreError::Locked(format!(
        "{}: another process has taken over; one at a time may use a prefix: stop the other one, \
         or give this one a prefix of its own",
        config.place()
    ))
}

pub(crate) fn unavailable(config: &KafkaConfig, what: &str) -> StoreError {
    StoreError::Unavailable(format!("{}: {what}", config.place()))
}

/// The largest record: a request body of 16 MiB in one, with room for its names.
pub(crate) const MAX_RECORD: u32 = 64 << 20;
