//! The swarm, which runs by itself, and a handle for what others want of it.

use std::{collections::HashMap, error::Error, io::Write, time::Duration};

use futures::StreamExt;
use libp2p::{
    Multiaddr, PeerId, Stream, Swarm, SwarmBuilder, identify,
    identity::Keypair,
    ping,
    swarm::{ConnectionId, NetworkBehaviour, SwarmEvent, dial_opts::DialOpts},
};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use crate::{
    behaviour::{self, Accept, StreamReply},
    streams::Outcome,
};

const LISTEN: &str = "/ip4/127.0.0.1/udp/0/quic-v1";
const PING_INTERVAL: Duration = Duration::from_millis(200);
/// Connections without streams stay for longer than any test.
const IDLE_TIMEOUT: Duration = Duration::from_secs(3600);
/// As many as may be open: the default is half of that, and the rest is refused.
const MAX_NEGOTIATING: usize = 256;

#[derive(NetworkBehaviour)]
struct Behaviour {
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    streams: behaviour::Behaviour,
}

type Reply<T> = oneshot::Sender<Outcome<T>>;

enum Request {
    Dial(Multiaddr, Reply<PeerId>),
    Identify(PeerId, Reply<Value>),
    Ping(PeerId, Reply<Duration>),
    Connections(PeerId, Reply<usize>),
    Close(PeerId, Reply<()>),
    Open(PeerId, &'static str, StreamReply),
}

#[derive(Clone)]
pub struct Node {
    requests: mpsc::Sender<Request>,
}

pub fn print(line: Value) {
    if writeln!(std::io::stdout(), "{line}").is_err() {
        std::process::exit(1);
    }
}

impl Node {
    async fn ask<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Outcome<T> {
        let (reply, answer) = oneshot::channel();
        let sent = self.requests.send(request(reply)).await;
        sent.map_err(|e| e.to_string())?;
        answer.await.map_err(|e| e.to_string())?
    }

    pub async fn dial(&self, address: Multiaddr) -> Outcome<PeerId> {
        self.ask(|reply| Request::Dial(address, reply)).await
    }

    pub async fn identify(&self, peer: PeerId) -> Outcome<Value> {
        self.ask(|reply| Request::Identify(peer, reply)).await
    }

    /// Waits for the next of the pings that are sent all the time.
    pub async fn ping(&self, peer: PeerId) -> Outcome<Duration> {
        self.ask(|reply| Request::Ping(peer, reply)).await
    }

    pub async fn connections(&self, peer: PeerId) -> Outcome<usize> {
        self.ask(|reply| Request::Connections(peer, reply)).await
    }

    pub async fn close(&self, peer: PeerId) -> Outcome<()> {
        self.ask(|reply| Request::Close(peer, reply)).await
    }

    pub async fn open(&self, peer: PeerId, protocol: &'static str) -> Outcome<Stream> {
        self.ask(|reply| Request::Open(peer, protocol, reply)).await
    }
}

struct State {
    swarm: Swarm<Behaviour>,
    dials: HashMap<ConnectionId, Reply<PeerId>>,
    pings: HashMap<PeerId, Vec<Reply<Duration>>>,
    identified: HashMap<PeerId, identify::Info>,
    /// Several connections may lead to one peer.
    connected: HashMap<PeerId, usize>,
}

pub async fn start(
    key: Keypair,
    protocols: &'static [&'static str],
    accept: Accept,
) -> Result<Node, Box<dyn Error>> {
    let mut swarm = SwarmBuilder::with_existing_identity(key)
        .with_tokio()
        .with_quic()
        .with_behaviour(|key| {
            let agent = "rust-libp2p-peer".into();
            let identify = identify::Config::new("ipfs/0.1.0".into(), key.public());
            Behaviour {
                identify: identify::Behaviour::new(identify.with_agent_version(agent)),
                ping: ping::Behaviour::new(ping::Config::new().with_interval(PING_INTERVAL)),
                streams: behaviour::Behaviour::new(protocols, accept),
            }
        })?
        .with_swarm_config(|config| {
            config
                .with_idle_connection_timeout(IDLE_TIMEOUT)
                .with_max_negotiating_inbound_streams(MAX_NEGOTIATING)
        })
        .build();
    swarm.listen_on(LISTEN.parse()?)?;
    let (requests, received) = mpsc::channel(16);
    let state = State {
        swarm,
        dials: HashMap::new(),
        pings: HashMap::new(),
        identified: HashMap::new(),
        connected: HashMap::new(),
    };
    tokio::spawn(state.run(received));
    Ok(Node { requests })
}

impl State {
    async fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        loop {
            tokio::select! {
                event = self.swarm.select_next_some() => self.on_event(event),
                Some(request) = requests.recv() => self.obey(request),
            }
        }
    }

    // a reply that nobody waits for any more is not missed
    fn obey(&mut self, request: Request) {
        match request {
            Request::Dial(address, reply) => {
                let options = DialOpts::unknown_peer_id().address(address).build();
                let id = options.connection_id();
                match self.swarm.dial(options) {
                    Ok(()) => drop(self.dials.insert(id, reply)),
                    Err(error) => drop(reply.send(Err(error.to_string()))),
                }
            }
            Request::Identify(peer, reply) => {
                let _ = reply.send(match self.identified.get(&peer) {
                    Some(info) => Ok(json!({
                        "agent": info.agent_version,
                        "protocols": info.protocols.iter().map(AsRef::as_ref).collect::<Vec<&str>>(),
                    })),
                    None => Err("not identified".into()),
                });
            }
            Request::Ping(peer, reply) => self.pings.entry(peer).or_default().push(reply),
            Request::Connections(peer, reply) => {
                let _ = reply.send(Ok(self.connected.get(&peer).copied().unwrap_or(0)));
            }
            Request::Close(peer, reply) => {
                let closed = self.swarm.disconnect_peer_id(peer);
                let _ = reply.send(closed.map_err(|()| "not connected".into()));
            }
            Request::Open(peer, protocol, reply) => {
                self.swarm
                    .behaviour_mut()
                    .streams
                    .open(peer, protocol, reply);
            }
        }
    }

    fn on_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::NewListenAddr { address, .. } => {
                let peer = self.swarm.local_peer_id();
                print(json!({ "address": format!("{address}/p2p/{peer}") }));
            }
            SwarmEvent::ConnectionEstablished {
                peer_id,
                connection_id,
                num_established,
                ..
            } => {
                self.connected
                    .insert(peer_id, num_established.get() as usize);
                print(json!({ "event": "connected", "peer": peer_id.to_string() }));
                if let Some(reply) = self.dials.remove(&connection_id) {
                    let _ = reply.send(Ok(peer_id));
                }
            }
            SwarmEvent::OutgoingConnectionError {
                connection_id,
                error,
                ..
            } => {
                if let Some(reply) = self.dials.remove(&connection_id) {
                    let _ = reply.send(Err(error.to_string()));
                }
            }
            SwarmEvent::ConnectionClosed {
                peer_id,
                num_established,
                ..
            } => {
                self.connected.insert(peer_id, num_established as usize);
                print(json!({ "event": "disconnected", "peer": peer_id.to_string() }));
            }
            SwarmEvent::Behaviour(BehaviourEvent::Identify(identify::Event::Received {
                peer_id,
                info,
                ..
            })) => {
                self.identified.insert(peer_id, info);
            }
            SwarmEvent::Behaviour(BehaviourEvent::Ping(ping::Event { peer, result, .. })) => {
                for reply in self.pings.remove(&peer).unwrap_or_default() {
                    let _ = reply.send(result.as_ref().copied().map_err(|e| e.to_string()));
                }
            }
            _ => {}
        }
    }
}
