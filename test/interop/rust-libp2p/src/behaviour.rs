//! Streams of any protocol. That of libp2p-stream drops those that come faster than they are taken, and opens one
//! after the other.

use std::{
    collections::VecDeque,
    convert::Infallible,
    fmt,
    future::{Ready, ready},
    sync::Arc,
    task::{Context, Poll},
};

use libp2p::{
    Multiaddr, PeerId, Stream, StreamProtocol,
    core::{Endpoint, transport::PortUse, upgrade::ReadyUpgrade},
    swarm::{
        ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm,
        NetworkBehaviour, NotifyHandler, SubstreamProtocol, ToSwarm,
        handler::{
            ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound,
        },
    },
};
use tokio::sync::oneshot;

use crate::streams::Outcome;

/// Takes inbound streams; their protocol is one of those that are served.
pub type Accept = Arc<dyn Fn(&str, Stream) + Send + Sync>;
pub type StreamReply = oneshot::Sender<Outcome<Stream>>;

pub struct Open {
    protocol: &'static str,
    reply: StreamReply,
}

impl fmt::Debug for Open {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.protocol)
    }
}

pub struct Behaviour {
    protocols: &'static [&'static str],
    accept: Accept,
    queue: VecDeque<ToSwarm<Infallible, Open>>,
}

impl Behaviour {
    pub fn new(protocols: &'static [&'static str], accept: Accept) -> Self {
        let queue = VecDeque::new();
        Self {
            protocols,
            accept,
            queue,
        }
    }

    /// Opens a stream to a peer that is connected; the reply is dropped for another.
    pub fn open(&mut self, peer_id: PeerId, protocol: &'static str, reply: StreamReply) {
        self.queue.push_back(ToSwarm::NotifyHandler {
            peer_id,
            handler: NotifyHandler::Any,
            event: Open { protocol, reply },
        });
    }

    fn handler(&self) -> Handler {
        Handler {
            inbound: Inbound(self.protocols),
            accept: self.accept.clone(),
            queue: VecDeque::new(),
        }
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = Handler;
    type ToSwarm = Infallible;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<Handler, ConnectionDenied> {
        Ok(self.handler())
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<Handler, ConnectionDenied> {
        Ok(self.handler())
    }

    fn on_swarm_event(&mut self, _: FromSwarm) {}

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: Infallible) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context) -> Poll<ToSwarm<Infallible, Open>> {
        match self.queue.pop_front() {
            Some(event) => Poll::Ready(event),
            None => Poll::Pending,
        }
    }
}

#[derive(Clone)]
pub struct Inbound(&'static [&'static str]);

impl libp2p::core::UpgradeInfo for Inbound {
    type Info = StreamProtocol;
    type InfoIter = Vec<StreamProtocol>;

    fn protocol_info(&self) -> Vec<StreamProtocol> {
        self.0.iter().copied().map(StreamProtocol::new).collect()
    }
}

impl libp2p::core::upgrade::InboundUpgrade<Stream> for Inbound {
    type Output = (StreamProtocol, Stream);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_inbound(self, stream: Stream, protocol: StreamProtocol) -> Self::Future {
        ready(Ok((protocol, stream)))
    }
}

pub struct Handler {
    inbound: Inbound,
    accept: Accept,
    queue: VecDeque<Open>,
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Open;
    type ToBehaviour = Infallible;
    type InboundProtocol = Inbound;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = StreamReply;

    fn listen_protocol(&self) -> SubstreamProtocol<Inbound> {
        SubstreamProtocol::new(self.inbound.clone(), ())
    }

    fn poll(
        &mut self,
        _: &mut Context,
    ) -> Poll<ConnectionHandlerEvent<Self::OutboundProtocol, StreamReply, Infallible>> {
        match self.queue.pop_front() {
            Some(Open { protocol, reply }) => {
                let upgrade = ReadyUpgrade::new(StreamProtocol::new(protocol));
                Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest {
                    protocol: SubstreamProtocol::new(upgrade, reply),
                })
            }
            None => Poll::Pending,
        }
    }

    fn on_behaviour_event(&mut self, open: Open) {
        self.queue.push_back(open);
    }

    // a reply that nobody waits for any more is not missed
    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<Inbound, Self::OutboundProtocol, (), StreamReply>,
    ) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol: (protocol, stream),
                ..
            }) => (self.accept)(protocol.as_ref(), stream),
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol: stream,
                info: reply,
            }) => {
                let _ = reply.send(Ok(stream));
            }
            ConnectionEvent::DialUpgradeError(DialUpgradeError { info: reply, error }) => {
                let _ = reply.send(Err(error.to_string()));
            }
            _ => {}
        }
    }
}
