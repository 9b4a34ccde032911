//! The webhook target: takes what the engine hands over, sends it when its turn comes, answers.

use super::answer::{Verdict, judge};
use super::body::body;
use super::circuit::{Admission, Advice};
use super::client::{Answered, Sender, post, sender};
use super::connect::{Connector, Resolve};
use super::endpoints::{Ailing, Ended, Endpoints};
use super::settings::Webhook;
use super::sign::signature;
use super::turns::{Share, Turns};
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use hyper::http::uri::Scheme;
use hyper::{Method, Request, Uri};
use parking_lot::Mutex;
use roundsman_delivery::{Batch, Message, Target, Trouble};
use roundsman_store::{Clock, DeadReason, Endpoint, SystemClock, Timestamp};
use rustls::ClientConfig;
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// The webhooks of a server: the engine's target for the rules that say `to = "webhook"`.
#[derive(Clone)]
pub struct Webhooks(Arc<Shared>);

struct Shared {
    roads: BTreeMap<usize, Road>,
    turns: Mutex<Turns<Job>>,
    endpoints: Endpoints,
    clock: Arc<dyn Clock>,
    draining: AtomicBool,
}

/// One rule and what it takes to serve it.
struct Road {
    webhook: Webhook,
    sender: Sender,
    /// Where everything goes, if that does not depend on the topic.
    fixed: Option<Arc<Place>>,
    /// How long a request that was delivered took, in microseconds: a moving average, 0 before the
    /// first. What hangs or is refused at once says nothing of those that are answered.
    service: AtomicU64,
}

/// Where a message goes.
#[derive(Debug)]
struct Place {
    uri: Uri,
    url: Arc<str>,
    host: HeaderValue,
    endpoint: Endpoint,
}

struct Job {
    batch: Batch,
    place: Arc<Place>,
}

/// What webhooks need of the machine.
#[derive(Clone)]
pub struct Surroundings {
    /// Finds the addresses of names.
    pub resolver: Arc<dyn Resolve>,
    /// Whose certificates are believed.
    pub tls: ClientConfig,
    /// Where this server itself listens.
    pub own: SocketAddr,
    /// The clock that the engine goes by.
    pub clock: Arc<dyn Clock>,
}

/// Topics for which no URL can be made are refused with these words.
const NO_URL: &str = "the topic makes no URL that could be sent to";

impl Webhooks {
    /// The webhooks of these rules, by their numbers.
    #[must_use]
    pub fn new(rules: &BTreeMap<usize, Webhook>, around: &Surroundings) -> Self {
        let mut turns = Turns::default();
        for (number, webhook) in rules {
            turns.add(*number, webhook.url.host(), share(webhook));
        }
        let roads = rules.iter().map(|(number, webhook)| (*number, Road::new(webhook, around)));
        Self(Arc::new(Shared {
            roads: roads.collect(),
            turns: Mutex::new(turns),
            endpoints: Endpoints::default(),
            clock: around.clock.clone(),
            draining: AtomicBool::new(false),
        }))
    }

    /// Hands back what has not been sent yet, and whatever still comes; what is under way goes on.
    pub fn drain(&self) {
        self.0.draining.store(true, Ordering::Relaxed);
        // Dropped outside of the lock: each tells the engine.
        let waiting = self.0.turns.lock().clear();
        drop(waiting);
    }

    /// The endpoints that are not sent to, at most `most`, and how many there are.
    #[must_use]
    pub fn ailing(&self, most: usize) -> (Vec<Ailing>, usize) {
        self.0.endpoints.ailing(most, self.0.clock.now())
    }

    /// Sends to disabled endpoints again. Gives back which, for the engine to release their lanes.
    #[must_use]
    pub fn enable(&self) -> Vec<Endpoint> {
        self.0.endpoints.enable()
    }
}

impl Default for Webhooks {
    /// For a server that has none.
    fn default() -> Self {
        Self(Arc::new(Shared {
            roads: BTreeMap::new(),
            turns: Mutex::default(),
            endpoints: Endpoints::default(),
            clock: Arc::new(SystemClock),
            draining: AtomicBool::new(false),
        }))
    }
}

impl Target for Webhooks {
    fn deliver(&self, batch: Batch) {
        let Some(road) = self.0.roads.get(&batch.rule) else {
            return batch.acknowledger.failed("this server has no webhook for the rule");
        };
        if self.0.draining.load(Ordering::Relaxed) {
            return;
        }
        let Some(place) = road.place(&batch.topic) else {
            return batch.acknowledger.refused(DeadReason::Refused, NO_URL);
        };
        let mut turns = self.0.turns.lock();
        turns.push(batch.rule, place.endpoint, Job { batch, place });
        let mut next = Vec::new();
        while let Some(job) = turns.next() {
            next.push(job);
        }
        drop(turns);
        for job in next {
            tokio::spawn(self.0.clone().run(job));
        }
    }

    fn capacity(&self, rule: usize) -> Option<usize> {
        let webhook = &self.0.roads.get(&rule)?.webhook;
        Some(webhook.concurrency.min(webhook.per_host))
    }

    fn service(&self, rule: usize) -> Option<Duration> {
        let service = self.0.roads.get(&rule)?.service.load(Ordering::Relaxed);
        (service > 0).then(|| Duration::from_micros(service))
    }

    fn endpoint_capacity(&self, rule: usize) -> Option<usize> {
        let road = self.0.roads.get(&rule).filter(|road| road.fixed.is_none())?;
        Some(share(&road.webhook).per_endpoint)
    }

    fn endpoint(&self, rule: usize, topic: &str) -> Option<Endpoint> {
        let road = self.0.roads.get(&rule)?;
        match &road.fixed {
            Some(place) => Some(place.endpoint),
            None => road.webhook.url.fill(topic).map(|url| Endpoint::of(&url)),
        }
    }
}

impl Shared {
    /// Sends one job and then, in the place that becomes free, the next and the next.
    async fn run(self: Arc<Self>, first: Job) {
        let mut next = Some(first);
        while let Some(job) = next {
            let (rule, endpoint) = (job.batch.rule, job.place.endpoint);
            if let Some(road) = self.roads.get(&rule) {
                self.send(road, job).await;
            }
            let mut turns = self.turns.lock();
            turns.done(rule, endpoint);
            next = turns.next();
        }
    }

    async fn send(&self, road: &Road, Job { batch, place }: Job) {
        let Batch { messages, mut acknowledger, slot: _slot, .. } = batch;
        let now = self.clock.now();
        acknowledger.begun(now);
        let admitted = match self.endpoints.admit(place.endpoint, now, road.lease()) {
            Admission::Wait(until) => return acknowledger.parked(place.endpoint, until),
            admitted => admitted,
        };
        let mut told = (Verdict::Delivered, Trouble::default());
        let mut began = now;
        // One of them as a rule: only what keeps no order of its own comes in larger batches.
        for message in &messages {
            told = self.attempt(road, &place, message).await;
            if told.0 != Verdict::Delivered {
                break;
            }
            let ended = self.clock.now();
            road.served(ended.since(began));
            began = ended;
        }
        let (verdict, trouble) = told;
        let at = self.clock.now();
        let ended = Ended { verdict, admitted, what: &trouble.what.clone(), at };
        let known = (place.endpoint, &place.url);
        self.endpoints.ended(known, ended, &road.webhook.patience, |advice| match advice {
            Advice::HandBack(until) => acknowledger.parked(place.endpoint, until),
            Advice::Tell => match verdict {
                Verdict::Delivered => acknowledger.delivered(),
                Verdict::Gone => acknowledger.refused(DeadReason::Gone, trouble),
                _ => acknowledger.failed(trouble),
            },
        });
    }

    /// One request; what it says, and in words what went wrong.
    async fn attempt(&self, road: &Road, place: &Place, message: &Message) -> (Verdict, Trouble) {
        let request = road.request(place, message, self.clock.now());
        let answered = match request {
            Ok(request) => post(&road.sender, request, road.webhook.timeout).await,
            Err(error) => Answered { broken: Some(error.to_string()), ..Answered::default() },
        };
        weigh(answered, self.clock.now())
    }
}

/// What an answer says, whole or broken off.
fn weigh(answered: Answered, now: Timestamp) -> (Verdict, Trouble) {
    let Answered { status, retry_after, body, broken, late } = answered;
    let verdict = match status {
        // A success is one once it is whole.
        Some(status) if !(status.is_success() && broken.is_some()) => {
            judge(status, retry_after.as_deref(), now)
        }
        _ if late => Verdict::Late,
        _ => Verdict::Failing,
    };
    let what = match (status, broken) {
        (Some(status), None) => format!("it answered {}", status.as_u16()),
        (Some(status), Some(why)) => format!("it answered {}, and {why}", status.as_u16()),
        (None, why) => why.unwrap_or_default(),
    };
    let not_before = match verdict {
        Verdict::Slow(until) => Some(until),
        _ => None,
    };
    let status = status.map(|status| status.as_u16());
    (verdict, Trouble { what: what.into(), status, answer: body.into(), not_before })
}

impl Road {
    fn new(webhook: &Webhook, around: &Surroundings) -> Self {
        let connector = Connector {
            resolver: around.resolver.clone(),
            allow_private: webhook.allow_private,
            own: around.own,
            within: webhook.timeout,
        };
        let sender = sender(connector, around.tls.clone(), webhook.per_host);
        let fixed = webhook.url.is_fixed().then(|| webhook.url.fill("")).flatten();
        let fixed = fixed.and_then(Place::new).map(Arc::new);
        Self { webhook: webhook.clone(), sender, fixed, service: AtomicU64::new(0) }
    }

    /// Two that end at once may count as one: it is an average.
    fn served(&self, took: Duration) {
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1);
        let before = self.service.load(Ordering::Relaxed);
        let now = if before == 0 { took } else { (15 * before + took) / 16 };
        self.service.store(now.max(1), Ordering::Relaxed);
    }

    fn place(&self, topic: &str) -> Option<Arc<Place>> {
        match &self.fixed {
            Some(place) => Some(place.clone()),
            None => self.webhook.url.fill(topic).and_then(Place::new).map(Arc::new),
        }
    }

    /// How long a try keeps others from trying: until it has its answer, and a little more.
    fn lease(&self) -> Duration {
        self.webhook.timeout + Duration::from_secs(1)
    }

    fn request(
        &self,
        place: &Place,
        message: &Message,
        now: Timestamp,
    ) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
        let (id, seconds) = (message.record.id.to_string(), now.0.div_euclid(1_000_000));
        let body = body(&message.record);
        let mut headers = HeaderMap::with_capacity(FIELDS + self.webhook.headers.len());
        headers.insert(HOST, place.host.clone());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        if !self.webhook.keys.is_empty() {
            let signed = signature(&self.webhook.keys, &id, seconds, &body);
            headers.insert(SIGNATURE, HeaderValue::try_from(signed)?);
        }
        headers.insert(ID, HeaderValue::try_from(id)?);
        headers.insert(TIMESTAMP, HeaderValue::from(seconds));
        // The rule's own go over what is said above, but for what it may not name.
        for (name, value) in &self.webhook.headers {
            headers.insert(name.clone(), value.clone());
        }
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = place.uri.clone();
        *request.headers_mut() = headers;
        Ok(request)
    }
}

/// The bounds of a rule. Where topics have endpoints of their own, one of those has a quarter of
/// the slots at most: should it hang, three quarters are left to the others.
fn share(webhook: &Webhook) -> Share {
    let (concurrency, per_host) = (webhook.concurrency, webhook.per_host);
    let all = concurrency.min(per_host);
    let per_endpoint = if webhook.url.is_fixed() { all } else { (all / 4).max(1) };
    Share { concurrency, per_host, per_endpoint }
}

const AGENT: &str = concat!("Roundsman/", env!("CARGO_PKG_VERSION"));
const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
/// Fields of a request, its length included.
const FIELDS: usize = 7;

impl Place {
    fn new(url: String) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let endpoint = Endpoint::of(&url);
        let host = host(&uri)?;
        Some(Self { uri, url: url.into(), endpoint, host })
    }
}

/// What stands in `Host`: the port only where it is not what the scheme says.
fn host(uri: &Uri) -> Option<HeaderValue> {
    let usual = if uri.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 };
    let host = uri.host()?;
    let host = match uri.port_u16().filter(|port| *port != usual) {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    };
    host.try_into().ok()
}

impl fmt::Debug for Webhooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhooks").field("endpoints", &self.0.endpoints).finish_non_exhaustive()
    }
}

impl fmt::Debug for Surroundings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings").field("own", &self.own).finish_non_exhaustive()
    }
}
