//! Stores for one test each: a prefix that nobody else has, and nothing left behind.

use rand::random;

/// A prefix on the server under test.
pub(crate) struct Scratch {
    server: String,
    prefix: String,
}

impl Scratch {
    /// On the server that the environment names.
    pub(crate) fn new() -> Self {
        let server = std::env::var("ROUNDSMAN_TEST_REDIS_URL").expect(
            "ROUNDSMAN_TEST_REDIS_URL names no server; `source scripts/servers; start_servers redis`",
        );
        Self::on(server)
    }

    /// On this server.
    pub(crate) fn on(server: String) -> Self {
        Self { server, prefix: format!("test-{:016x}", random::<u64>()) }
    }

    pub(crate) fn url(&self) -> String {
        format!("{}?prefix={}", self.server, self.prefix)
    }

    /// The name of one of its keys.
    pub(crate) fn key(&self, name: &str) -> String {
        format!("{{{}}}:{name}", self.prefix)
    }

    /// A plain connection to its server.
    pub(crate) fn connection(&self) -> redis::Connection {
        redis::Client::open(&*self.server).unwrap().get_connection().unwrap()
    }

    /// Ends the lease of whoever has the store, as if five seconds had passed.
    pub(crate) fn end_lease(&self) {
        redis::cmd("DEL").arg(self.key("owner")).exec(&mut self.connection()).unwrap();
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A server that a test has ended has nothing left to clean.
        let Ok(client) = redis::Client::open(&*self.server) else { return };
        let Ok(mut connection) = client.get_connection() else { return };
        let mine = redis::cmd("KEYS").arg(self.key("*")).query::<Vec<String>>(&mut connection);
        let keys = mine.unwrap_or_default();
        if !keys.is_empty() {
            let _ = redis::cmd("UNLINK").arg(keys).exec(&mut connection);
        }
    }
}
