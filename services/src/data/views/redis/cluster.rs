//! A cluster: one connection to each node, one pipeline to each of those a batch needs.
//!
//! The crate's own cluster client sends no pipeline across slots, reads certificates and passwords once, and dials for itself; hence its
//! connections are used here, and its routing is not. Redirections are followed (MOVED, and the whole map is read again; ASK). A master that
//! does not answer is passed over for a second: its replicas answer reads, so that a failover is not noticed until the cluster itself is down.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use ::redis::{Cmd, ErrorKind, RedisError, Value};
use futures_util::future::join_all;
use tokio::time::{Instant, sleep, timeout};
use user_info_api::config::Redis;

use super::link::{Link, Login};
use super::node::{How, pipeline, read_map, send};
use super::redirect::Next;
use super::slots::SlotMap;
use super::{explain, hedge};
use crate::data::loader::ConnectError;

/// How long a node may take for a pipeline, and to be connected to in the middle of a batch. A batch has time for more than one.
const NODE_BOUND: Duration = Duration::from_millis(100);
/// How long a node may take to be connected to at first.
const OPEN_BOUND: Duration = Duration::from_millis(500);
/// How long a node that did not answer is passed over.
const DOUBT: Duration = Duration::from_secs(1);
/// Least time between two looks at the map.
const MAP_AGE: Duration = Duration::from_millis(250);
/// How often commands are sent that are redirected, or whose node is away.
const ROUNDS: usize = 5;
/// Pause before the next round where the cluster is about to change.
const PAUSE: Duration = Duration::from_millis(20);

/// What commands do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// They read, which replicas may answer.
    Read,
    /// They write, which only masters do.
    Write,
}

/// Commands for one node, by their places in the batch, and what came of them.
type Asked = (String, How, Vec<usize>, Result<(Link, Vec<Value>), RedisError>);

/// Connections to the nodes of a cluster.
pub(in crate::data) struct Cluster {
    config: Redis,
    map: SlotMap,
    /// Open connections by address, and whether they are for reading from a replica.
    links: HashMap<(String, bool), Link>,
    /// Nodes that did not answer, and until when they are passed over.
    doubtful: HashMap<String, Instant>,
    /// When the map was read.
    read_at: Instant,
    /// Whether the map is known to be out of date.
    stale: bool,
}

impl Cluster {
    /// Reads the map from the first seed that has it, and connects to every master.
    ///
    /// # Errors
    /// If no seed tells the map, or no master can be connected to.
    pub(super) async fn open(config: &Redis) -> Result<Self, ConnectError> {
        let map = hedge::first(config.seeds(), |address| async move {
            let mut link = Link::open(config, &Login::of_server(config), address).await?;
            match read_map(&mut link, address).await {
                Ok(map) => Ok(map),
                Err(error) => Err(explain::failed(config, address, &Login::of_server(config), &error).await),
            }
        })
        .await?;
        // At once, so that no batch has to wait for handshakes. One that is away is found out by the first batch that needs it.
        let opened = join_all(map.masters().map(|address| async move {
            let late = || ConnectError::Unreachable(format!("redis {address}: no answer within {OPEN_BOUND:?}"));
            let link = timeout(OPEN_BOUND, Link::open(config, &Login::of_server(config), address)).await.unwrap_or_else(|_| Err(late()));
            link.map(|link| ((address.to_owned(), false), link))
        }))
        .await;
        let (mut links, mut failure) = (HashMap::new(), None);
        for outcome in opened {
            match outcome {
                Ok((key, link)) => drop(links.insert(key, link)),
                // What somebody has to mend is of more use than who is away.
                Err(error) if !matches!(failure, Some(ConnectError::Configuration(_))) => failure = Some(error),
                Err(_) => {}
            }
        }
        match failure {
            Some(error) if links.is_empty() => Err(error),
            _ => Ok(Self { config: config.clone(), map, links, doubtful: HashMap::new(), read_at: Instant::now(), stale: false }),
        }
    }

    /// Whether no connection is left.
    pub(super) fn is_lost(&self) -> bool {
        self.links.is_empty()
    }

    /// Sends each command to the node that has its slot, and returns the replies in the order of the commands.
    ///
    /// # Errors
    /// If any of them has no reply in the end: a refusal, no node that answers, or a cluster that is down.
    pub(super) async fn run(&mut self, commands: &[(u16, Cmd)], access: Access) -> Result<Vec<Value>, RedisError> {
        let mut replies = vec![Value::Nil; commands.len()];
        let mut pending: Vec<(usize, Option<String>)> = (0..commands.len()).map(|place| (place, None)).collect();
        let mut last = RedisError::from((ErrorKind::ClusterConnectionNotFound, "no node answers"));
        for round in 0..ROUNDS {
            let (mut pause, mut failed) = (false, None);
            let mut again = Vec::new();
            for (address, how, places, outcome) in self.ask(commands, std::mem::take(&mut pending), access).await? {
                let values = match outcome {
                    Ok((link, values)) => {
                        self.links.insert((address.clone(), how == How::Replica), link);
                        self.doubtful.remove(&address);
                        values
                    }
                    Err(error) => {
                        self.doubt(address);
                        again.extend(places.into_iter().map(|place| (place, None)));
                        last = error;
                        continue;
                    }
                };
                for (place, value) in places.into_iter().zip(values) {
                    let error = match value.extract_error() {
                        Ok(value) => {
                            replies[place] = value;
                            continue;
                        }
                        Err(error) => error,
                    };
                    match Next::after(&error, &address) {
                        Next::Ask(node) => again.push((place, Some(node))),
                        Next::Moved(node) => {
                            self.stale = true;
                            self.map.note(commands[place].0, node);
                            again.push((place, None));
                        }
                        Next::Wait => {
                            (self.stale, pause) = (true, true);
                            again.push((place, None));
                        }
                        Next::Elsewhere => {
                            self.doubt(address.clone());
                            again.push((place, None));
                        }
                        Next::Fail => failed = Some(error.clone()),
                    }
                    last = error;
                }
            }
            if let Some(error) = failed {
                return Err(error);
            }
            if again.is_empty() {
                return Ok(replies);
            }
            pending = again;
            if pause && round + 1 < ROUNDS {
                sleep(PAUSE).await;
            }
            self.follow().await;
        }
        Err(last)
    }

    fn doubt(&mut self, address: String) {
        self.stale = true;
        self.doubtful.insert(address, Instant::now() + DOUBT);
    }

    /// Sends every pending command to its node, all nodes at the same time.
    async fn ask(
        &mut self,
        commands: &[(u16, Cmd)],
        pending: Vec<(usize, Option<String>)>,
        access: Access,
    ) -> Result<Vec<Asked>, RedisError> {
        let now = Instant::now();
        self.doubtful.retain(|_, until| *until > now);
        let mut groups = BTreeMap::<(String, How), Vec<usize>>::new();
        for (place, importing) in pending {
            let target = match importing {
                Some(node) => (node, How::Importing),
                None => self.node(commands[place].0, access)?,
            };
            groups.entry(target).or_default().push(place);
        }
        let asked = groups.into_iter().map(|((address, how), places)| {
            let pipeline = pipeline(how, places.iter().map(|&place| &commands[place].1));
            let link = self.links.remove(&(address.clone(), how == How::Replica));
            let config = &self.config;
            async move {
                let late = || RedisError::from((ErrorKind::Io, "a node does not answer", address.clone()));
                let outcome = timeout(NODE_BOUND, send(config, &address, how, link, &pipeline)).await.unwrap_or_else(|_| Err(late()));
                (address, how, places, outcome)
            }
        });
        Ok(join_all(asked).await)
    }

    /// The node to ask for `slot`: its master, or in doubt a replica if that will do.
    fn node(&self, slot: u16, access: Access) -> Result<(String, How), RedisError> {
        let mut nodes = self.map.nodes(slot).enumerate().filter(|(_, node)| !self.doubtful.contains_key(*node));
        match nodes.next() {
            Some((0, node)) => Ok((node.to_owned(), How::Master)),
            Some((_, node)) if access == Access::Read => Ok((node.to_owned(), How::Replica)),
            _ if self.map.nodes(slot).next().is_none() => {
                Err((ErrorKind::ClusterConnectionNotFound, "no node has the slot", slot.to_string()).into())
            }
            _ => Err((ErrorKind::ClusterConnectionNotFound, "no node of the slot answers", slot.to_string()).into()),
        }
    }

    /// Reads the map again if it is out of date, from any node that answers. If none does, it stays as it is.
    async fn follow(&mut self) {
        if !self.stale || self.read_at.elapsed() < MAP_AGE {
            return;
        }
        self.read_at = Instant::now();
        let mut answer = None;
        for ((address, _), link) in &mut self.links {
            if let Ok(Ok(map)) = timeout(NODE_BOUND, read_map(link, address)).await {
                answer = Some(map);
                break;
            }
        }
        if let Some(map) = answer {
            self.stale = false;
            self.map = map;
            let map = &self.map;
            self.links.retain(|(address, _), _| map.has(address));
        }
    }
}
