//! The network between Roundsman and the server of its store, to be cut and healed.

use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream, lookup_host};
use tokio::sync::watch;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Network {
    Up,
    /// Lines are closed, and no new ones are taken.
    Cut,
    /// Lines stay, and nothing moves on them.
    Still,
}

/// A way to the server.
pub(crate) struct Proxy {
    state: watch::Sender<Network>,
    /// Lines that see this change stay silent for ever, as when the machine behind them is gone.
    silent: watch::Sender<()>,
    /// How many more answers of the server come through, where they are counted.
    answers: Answers,
}

type Answers = watch::Sender<Option<i64>>;

impl Proxy {
    /// A way to the server of this URL, and the URL that goes by it.
    pub(crate) async fn before(url: &str) -> (Self, String) {
        let mut url = url::Url::parse(url).unwrap();
        let server = (url.host_str().unwrap(), url.port().unwrap());
        let server = lookup_host(server).await.unwrap().next().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
        let (state, silent) = (watch::Sender::new(Network::Up), watch::Sender::new(()));
        let answers = Answers::new(None);
        let lines = take(listener, server, state.subscribe(), silent.subscribe(), answers.clone());
        tokio::spawn(lines);
        (Self { state, silent, answers }, url.into())
    }

    pub(crate) fn set(&self, network: Network) {
        self.state.send_replace(network);
    }

    /// Every line that there is falls silent for ever; new ones are carried.
    pub(crate) fn lose_lines(&self) {
        self.silent.send_replace(());
    }

    /// So many more answers of the server come through, and those behind them are held back;
    /// `None`: all of them come.
    pub(crate) fn let_through(&self, answers: Option<i64>) {
        self.answers.send_replace(answers);
    }

    /// Returns once an answer is held back.
    pub(crate) async fn holds_back(&self) {
        self.answers.subscribe().wait_for(|left| left.is_some_and(|left| left < 0)).await.unwrap();
    }
}

async fn take(
    listener: TcpListener,
    server: SocketAddr,
    state: watch::Receiver<Network>,
    silent: watch::Receiver<()>,
    answers: Answers,
) {
    while let Ok((client, _)) = listener.accept().await {
        let (mut state, mut silent, answers) = (state.clone(), silent.clone(), answers.clone());
        silent.mark_unchanged();
        tokio::spawn(async move {
            if state.wait_for(|state| *state != Network::Still).await.is_err()
                || *state.borrow() == Network::Cut
            {
                return;
            }
            let Ok(server) = TcpStream::connect(server).await else { return };
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            tokio::select! {
                () = pump(from_client, to_server, state.clone(), silent.clone(), None) => {}
                () = pump(from_server, to_client, state, silent, Some(answers)) => {}
            }
        });
    }
}

/// Carries bytes one way until the line ends, counting those that are answers.
async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut state: watch::Receiver<Network>,
    mut silent: watch::Receiver<()>,
    answers: Option<Answers>,
) {
    let mut bytes = vec![0; 65_536];
    loop {
        let moves = state.wait_for(|state| *state != Network::Still).await;
        if moves.is_ok_and(|state| *state == Network::Cut) {
            return;
        }
        tokio::select! {
            biased;
            _ = silent.changed() => std::future::pending().await,
            changed = state.changed() => if changed.is_err() { return },
            read = from.read(&mut bytes) => match read {
                Ok(count @ 1..) => {
                    if let Some(answers) = &answers {
                        answers.send_modify(|left| *left = left.map(|left| left - 1));
                        let mut left = answers.subscribe();
                        left.wait_for(|left| left.is_none_or(|left| left >= 0)).await.unwrap();
                    }
                    let moves = state.wait_for(|state| *state != Network::Still).await;
                    if moves.is_ok_and(|state| *state == Network::Cut)
                        || to.write_all(&bytes[..count]).await.is_err()
                    {
                        return;
                    }
                }
                _ => return,
            },
        }
    }
}
