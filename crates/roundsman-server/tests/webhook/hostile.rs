//! Receivers that do their worst. Each costs one attempt, in bounded time and memory, ends as the
//! documents say, and leaves other endpoints alone.

use super::house::{House, Liar, PATIENCE, Silent};
use super::receiver::{Receiver, after_request, raw, status};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use roundsman_store::State;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;

/// One rule for the receiver that is tried and one for another, beside it.
fn rules(url: &str, other: &Receiver) -> String {
    format!(
        "[retry]\nmax_attempts = 1\n[[deliver]]\ntopics = \"bad\"\nto = \"webhook\"\nurl = \"{url}\"\n\
         allow_private = true\ntimeout = \"300ms\"\n[[deliver]]\nto = \"webhook\"\n\
         url = \"http://{}/\"\nallow_private = true\n",
        other.address
    )
}

/// Sends to a receiver until its message is dead, with another one served meanwhile; the words for
/// what was wrong.
async fn dead_at(address: SocketAddr) -> String {
    let mut other = Receiver::well().await;
    let house = House::new(&rules(&format!("http://{address}/"), &other));
    dies(&house, &mut other).await
}

async fn dies(house: &House, other: &mut Receiver) -> String {
    let begun = Instant::now();
    house.send("bad", "bad").await;
    for number in 0..20 {
        let id = format!("good-{number}");
        house.send("good", &id).await;
        assert_eq!(other.next().await.header("webhook-id"), id);
    }
    let what = house.dead("bad").await;
    assert!(begun.elapsed() < PATIENCE);
    what
}

#[tokio::test]
async fn one_that_says_nothing() {
    let address = raw(async |stream| {
        let _stream = after_request(stream).await?;
        std::future::pending().await
    })
    .await;
    assert_eq!(dead_at(address).await, "no answer within 300ms");
}

#[tokio::test]
async fn one_that_says_its_headers_a_byte_at_a_time() {
    let address = raw(async |stream| {
        let mut stream = after_request(stream).await?;
        for byte in status(200).bytes().cycle() {
            stream.write_all(&[byte]).await?;
            sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    })
    .await;
    assert_eq!(dead_at(address).await, "no answer within 300ms");
}

#[tokio::test]
async fn one_that_says_its_body_a_byte_at_a_time() {
    let address = raw(async |stream| {
        let mut stream = after_request(stream).await?;
        stream.write_all(b"HTTP/1.1 200 X\r\nContent-Length: 100\r\n\r\n").await?;
        loop {
            stream.write_all(b"x").await?;
            sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    let what = dead_at(address).await;
    assert_eq!(what, "it answered 200, and the answer did not end within 300ms");
}

#[tokio::test]
async fn one_whose_success_has_no_end() {
    let address = raw(async |stream| {
        let mut stream = after_request(stream).await?;
        stream.write_all(b"HTTP/1.1 200 X\r\nContent-Length: 5\r\n\r\n").await?;
        std::future::pending().await
    })
    .await;
    let what = dead_at(address).await;
    assert_eq!(what, "it answered 200, and the answer did not end within 300ms");
}

#[tokio::test]
async fn one_whose_body_never_ends_is_cut_off_and_believed() {
    let written = Arc::new(AtomicUsize::new(0));
    let count = written.clone();
    let address = raw(move |stream| {
        let count = count.clone();
        async move {
            let mut stream = after_request(stream).await?;
            stream.write_all(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n").await?;
            let chunk = [b"1000\r\n".as_slice(), &[b'x'; 4096], b"\r\n"].concat();
            loop {
                stream.write_all(&chunk).await?;
                count.fetch_add(4096, Ordering::Relaxed);
            }
        }
    })
    .await;
    let mut other = Receiver::well().await;
    let house = House::new(&rules(&format!("http://{address}/"), &other));
    house.send("bad", "long").await;
    house.once("long", State::Delivered).await;
    // What the kernel holds for a connection is not ours; a stream without bound would be.
    let before = written.load(Ordering::Relaxed);
    assert!(before < 32 << 20, "{before} bytes were taken");
    house.send("good", "good").await;
    assert_eq!(other.next().await.header("webhook-id"), "good");
    house
        .until("the connection is closed", async |_| {
            let now = written.load(Ordering::Relaxed);
            sleep(Duration::from_millis(20)).await;
            written.load(Ordering::Relaxed) == now
        })
        .await;
}

#[tokio::test]
async fn one_that_packs_a_bomb_is_not_unpacked() {
    let address = raw(async |stream| {
        let mut stream = after_request(stream).await?;
        // A kilobyte that says it is gzip; nobody looks.
        let head = "HTTP/1.1 500 X\r\nContent-Encoding: gzip\r\nContent-Length: 1024\r\n\r\n";
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(&[0x1f; 1024]).await?;
        std::future::pending().await
    })
    .await;
    assert_eq!(dead_at(address).await, "it answered 500");
}

#[tokio::test]
async fn one_whose_head_is_a_bomb() {
    for line in [format!("X-{}: y\r\n", "a".repeat(4000)), "X: y\r\n".to_owned()] {
        let address = raw(move |stream| {
            let line = line.clone();
            async move {
                let mut stream = after_request(stream).await?;
                stream.write_all(b"HTTP/1.1 200 X\r\n").await?;
                loop {
                    stream.write_all(line.as_bytes()).await?;
                }
            }
        })
        .await;
        let what = dead_at(address).await;
        assert!(what.contains("head") || what.contains("large"), "{what}");
    }
}

#[tokio::test]
async fn one_that_resets_in_the_middle_of_its_answer() {
    let address = raw(async |stream| {
        let mut stream = after_request(stream).await?;
        stream.write_all(b"HTTP/1.1 200 X\r\nContent-Length: 100\r\n\r\nhalf").await?;
        stream.set_zero_linger()
    })
    .await;
    let what = dead_at(address).await;
    assert!(what.starts_with("it answered 200, and the answer broke off: "), "{what}");
}

#[tokio::test]
async fn one_that_hangs_up() {
    let before = raw(async |stream| stream.set_zero_linger()).await;
    let after = raw(async |stream| after_request(stream).await.map(drop)).await;
    let refused = SocketAddr::from(([127, 0, 0, 1], 1));
    for address in [before, after, refused] {
        let what = dead_at(address).await;
        assert!(!what.is_empty() && !what.starts_with("it answered"), "{what}");
    }
}

#[tokio::test]
async fn one_that_speaks_something_else() {
    let address = raw(async |stream| {
        let mut stream = after_request(stream).await?;
        stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n\r\n").await
    })
    .await;
    let what = dead_at(address).await;
    assert!(what.contains("invalid HTTP version") || what.contains("parsed"), "{what}");
}

#[tokio::test]
async fn one_that_leads_elsewhere_is_not_followed() {
    let mut inside = Receiver::well().await;
    let location = format!("http://{}/", inside.address);
    for location in ["http://169.254.169.254/latest/meta-data/".to_owned(), location] {
        for code in [301, 302, 303, 307, 308] {
            let head =
                format!("HTTP/1.1 {code} X\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
            let receiver = Receiver::answering(move |_| head.clone()).await;
            assert_eq!(dead_at(receiver.address).await, format!("it answered {code}"));
        }
    }
    assert!(inside.got.try_recv().is_err(), "nobody went there");
}

#[tokio::test]
async fn one_of_the_old_school_is_served() {
    let address = raw(async |stream| {
        let mut stream = after_request(stream).await?;
        stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nthank you").await
    })
    .await;
    let other = Receiver::well().await;
    let house = House::new(&rules(&format!("http://{address}/"), &other));
    for id in ["one", "two"] {
        house.send("bad", id).await;
        house.once(id, State::Delivered).await;
    }
}

#[tokio::test]
async fn one_whose_name_is_never_resolved() {
    let mut other = Receiver::well().await;
    let text = rules("http://never.example/", &other);
    let house = House::with(&text, Arc::new(Silent), &[]);
    is_late(&dies(&house, &mut other).await);
    let nowhere = House::with(&text, Liar::new(&[&[]]), &[]);
    assert_eq!(dies(&nowhere, &mut other).await, "the name is not resolved: it has no address");
}

/// A certificate by an authority of our own, and that authority.
fn certificate(
    change: impl FnOnce(&mut CertificateParams),
) -> (CertificateDer<'static>, Arc<ServerConfig>) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let mut params = CertificateParams::new(vec!["hook.example".to_owned()]).unwrap();
    params.not_after = date_time_ymd(2100, 1, 1);
    change(&mut params);
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    (issuer.der().clone(), Arc::new(config))
}

/// Answers 200 over TLS.
async fn over_tls(config: Arc<ServerConfig>) -> SocketAddr {
    raw(move |stream| {
        let acceptor = TlsAcceptor::from(config.clone());
        async move {
            let mut stream = after_request(acceptor.accept(stream).await?).await?;
            stream.write_all(status(200).as_bytes()).await?;
            stream.shutdown().await
        }
    })
    .await
}

/// What comes of a message to `https://hook.example`, which is at this address.
async fn sent_over_tls(at: SocketAddr, authorities: &[CertificateDer<'static>]) -> String {
    let mut other = Receiver::well().await;
    let url = format!("https://hook.example:{}/", at.port());
    // A name for the one, an address for the other.
    let text = rules(&url, &other).replacen("300ms", "5s", 1);
    let house = House::with(&text, Liar::new(&[&["127.0.0.1"]]), authorities);
    house.send("good", "good").await;
    other.next().await;
    house.send("bad", "bad").await;
    let mut what = String::new();
    house
        .until("it is settled", async |house| {
            let sighting =
                roundsman_store::Inspect::find(&*house.store, "bad").await.unwrap().unwrap();
            what = sighting
                .attempts
                .first()
                .map(|attempt| attempt.what.to_string())
                .unwrap_or_default();
            matches!(sighting.state, State::Delivered | State::Dead)
        })
        .await;
    what
}

#[tokio::test]
async fn certificates_are_verified() {
    let (authority, config) = certificate(|_| {});
    let good = over_tls(config).await;
    assert_eq!(sent_over_tls(good, std::slice::from_ref(&authority)).await, "");
    let unknown = sent_over_tls(good, &[]).await;
    assert!(unknown.contains("no TLS: ") && unknown.contains("UnknownIssuer"), "{unknown}");

    let (authority, config) = certificate(|params| params.not_after = date_time_ymd(2020, 1, 1));
    let expired = sent_over_tls(over_tls(config).await, &[authority]).await;
    assert!(expired.contains("no TLS: ") && expired.contains("xpired"), "{expired}");

    let (authority, config) = certificate(|params| {
        params.subject_alt_names =
            vec![rcgen::SanType::DnsName("other.example".try_into().unwrap())];
    });
    let other = sent_over_tls(over_tls(config).await, &[authority]).await;
    assert!(other.contains("no TLS: ") && other.contains("valid for"), "{other}");
}

#[tokio::test]
async fn one_that_speaks_no_tls_or_stops_in_the_middle_of_it() {
    let plain = Receiver::well().await;
    let what = sent_over_tls(plain.address, &[]).await;
    assert!(what.contains("no TLS: "), "{what}");

    let silent = raw(async |_stream| std::future::pending().await).await;
    let mut other = Receiver::well().await;
    let text = rules(&format!("https://hook.example:{}/", silent.port()), &other);
    let house = House::with(&text, Liar::new(&[&["127.0.0.1"]]), &[]);
    is_late(&dies(&house, &mut other).await);
}

/// Both ran out together: the time to connect, and that of the whole request.
fn is_late(what: &str) {
    assert!(what == "no answer within 300ms" || what == "no connection in time", "{what}");
}
