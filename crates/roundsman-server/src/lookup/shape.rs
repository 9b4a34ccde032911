//! Text made of a payload and of what was found for it, by a template.

use bytes::Bytes;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior, context};
use roundsman_delivery::Shape;
use serde_json::{Value, json};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A template of minijinja that knows `payload` and `found`. What it makes goes in as a string.
#[derive(Clone)]
pub struct Template {
    written: String,
    environment: Arc<Environment<'static>>,
}

/// Steps that a template may take; a loop without end is a fault and not a standstill.
const FUEL: u64 = 50_000;
/// Bytes of text that are made at most.
const LONGEST: usize = 256 * 1024;
/// The name of the only template there is.
const NAME: &str = "template";

impl FromStr for Template {
    type Err = String;

    fn from_str(written: &str) -> Result<Self, String> {
        let mut environment = Environment::new();
        environment.set_fuel(Some(FUEL));
        environment.set_undefined_behavior(UndefinedBehavior::Chainable);
        let added = environment.add_template_owned(NAME, written.to_owned());
        added.map_err(|error| {
            format!("{error}; write a template, like \"Hello {{{{ found.name }}}}\"")
        })?;
        Ok(Self { written: written.to_owned(), environment: Arc::new(environment) })
    }
}

impl Shape for Template {
    fn shape(&self, payload: &[u8], found: &[u8]) -> Result<Bytes, String> {
        let read = |json| serde_json::from_slice::<Value>(json).map_err(|error| error.to_string());
        let (payload, found) = (read(payload)?, read(found)?);
        let template = self.environment.get_template(NAME).map_err(|error| error.to_string())?;
        let known = context! {
            payload => Serde(&payload),
            found => Serde(&found),
        };
        let text = template.render(known).map_err(|error| error.to_string())?;
        if text.len() > LONGEST {
            return Err(format!("the template made {} bytes, which is too much", text.len()));
        }
        Ok(json!(text).to_string().into())
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Template").field(&self.written).finish()
    }
}

impl PartialEq for Template {
    fn eq(&self, other: &Self) -> bool {
        self.written == other.written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(template: &str) -> Result<String, String> {
        let template: Template = template.parse()?;
        let made = template.shape(br#"{"n":2}"#, br#"{"name":"<Ada> \"x\""}"#)?;
        Ok(String::from_utf8_lossy(&made).into_owned())
    }

    #[test]
    fn it_makes_text_within_bounds() {
        assert_eq!(made("{{ found.name }} has {{ payload.n }}").unwrap(), r#""<Ada> \"x\" has 2""#);
        assert_eq!(made("{{ found.none.at.all }}!").unwrap(), "\"!\"");
        assert!(made("{{ found.").is_err());
        assert!(
            made("{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}")
                .is_err()
        );
        assert!(made("{% for a in range(9000) %}{{ 'x' * 100 }}{% endfor %}").is_err());
    }
}
