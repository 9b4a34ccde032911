//! `roundsman token`: a client token on standard output.

use super::args::Token;
use super::failure::Failure;
use crate::auth::sign;
use crate::config::{Config, Overrides, TokenKey, parse_pattern};
use std::io::{Write, stdout};
use std::time::SystemTime;

pub(super) fn run(token: &Token) -> Result<(), Failure> {
    check(token).map_err(Failure::Usage)?;
    let config = Config::load(token.config.as_deref(), &Overrides::default())?;
    let secret = match config.auth.and_then(|auth| auth.token) {
        Some(TokenKey::Secret(secret)) => secret,
        Some(TokenKey::Public { .. }) => {
            let why = "auth.token_public_key checks tokens and cannot sign them; \
                       sign them with the private key that belongs to it";
            return Err(Failure::failed(why));
        }
        None => {
            let why = "no auth.token_secret is configured; name the configuration with --config";
            return Err(Failure::failed(why));
        }
    };
    let expires = SystemTime::now()
        .checked_add(token.expires)
        .ok_or_else(|| Failure::Usage("--expires: that is past the end of time".to_owned()))?;
    let signed = sign(&secret, &token.user, &token.topics, expires).map_err(Failure::Failed)?;
    writeln!(stdout(), "{signed}")?;
    Ok(())
}

/// What would be signed, and of no use to anybody.
fn check(token: &Token) -> Result<(), String> {
    if token.user.is_empty() {
        return Err("--user is empty; name the user whose topic is user:NAME".to_owned());
    }
    if token.expires.is_zero() {
        return Err("--expires is nothing; write a time like 1h".to_owned());
    }
    token.topics.iter().try_for_each(|topics| {
        let parsed = parse_pattern(topics).map(drop);
        parsed.map_err(|cure| format!("--topics is {topics:?}; {cure}"))
    })
}
