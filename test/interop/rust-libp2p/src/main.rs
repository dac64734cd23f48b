//! A peer of rust-libp2p for the tests of interoperability. It prints its address, then obeys commands on its
//! standard input and answers them on its standard output, one JSON object a line, until the former ends.

mod behaviour;
mod node;
mod pattern;
mod streams;

use std::{error::Error, sync::Arc};

use futures::future::try_join_all;
use libp2p::{PeerId, Stream, identity::Keypair};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    sync::watch,
};

use node::{Node, print};
use streams::{ECHO, HOLD, Outcome, Plan, RESET, TRANSFER, Transfer};

#[derive(Deserialize)]
struct Command {
    id: u64,
    #[serde(rename = "do")]
    name: String,
    #[serde(default)]
    address: String,
    #[serde(default)]
    peer: String,
    #[serde(default)]
    code: u32,
    #[serde(default)]
    streams: u32,
    #[serde(default)]
    bytes: u64,
    #[serde(flatten)]
    plan: Plan,
}

#[derive(Clone)]
struct Program {
    node: Node,
    /// What `progress`, `resume` and `finish` speak of, and what the next inbound stream does.
    transfer: watch::Sender<Arc<Transfer>>,
}

async fn serve(protocol: &str, stream: Stream, transfer: Arc<Transfer>) {
    match protocol {
        TRANSFER => transfer.run(stream).await,
        HOLD => print(match streams::wait_for_reset(stream).await {
            Ok(code) => json!({ "event": "reset", "code": code, "error": "" }),
            Err(error) => json!({ "event": "reset", "error": error }),
        }),
        // their openers see whether they went well
        ECHO => drop(streams::echo(stream).await),
        _ => drop(streams::reset_as_told(stream).await),
    }
}

impl Program {
    fn current(&self) -> Arc<Transfer> {
        self.transfer.borrow().clone()
    }

    async fn obey(&self, command: Command) -> Outcome<Value> {
        match command.name.as_str() {
            "dial" => {
                let address = command.address.parse().map_err(|e| format!("{e}"))?;
                let peer = self.node.dial(address).await?;
                return Ok(json!({ "peer": peer.to_string() }));
            }
            "serve" => {
                self.transfer.send_replace(Transfer::new(command.plan));
                return Ok(json!({}));
            }
            "progress" => {
                let (sent, received) = self.current().progress();
                return Ok(json!({ "sent": sent, "received": received }));
            }
            "resume" => {
                self.current().resume();
                return Ok(json!({}));
            }
            "finish" => {
                self.current().finish().await?;
                return Ok(json!({}));
            }
            _ => {}
        }
        let peer: PeerId = command.peer.parse().map_err(|e| format!("{e}"))?;
        match command.name.as_str() {
            "identify" => self.node.identify(peer).await,
            "connections" => Ok(json!({ "count": self.node.connections(peer).await? })),
            "ping" => Ok(json!({ "ms": self.node.ping(peer).await?.as_secs_f64() * 1000.0 })),
            "close" => self.node.close(peer).await.map(|()| json!({})),
            "transfer" => {
                let stream = self.node.open(peer, TRANSFER).await?;
                let transfer = Transfer::new(command.plan);
                self.transfer.send_replace(transfer.clone());
                tokio::spawn(async move { transfer.run(stream).await });
                Ok(json!({}))
            }
            "echo" => {
                let asked = (0..command.streams).map(|seed| async move {
                    let stream = self.node.open(peer, ECHO).await?;
                    streams::ask(stream, seed, command.bytes).await
                });
                try_join_all(asked).await?;
                Ok(json!({}))
            }
            "askForReset" => {
                let stream = self.node.open(peer, RESET).await?;
                let code = streams::ask_for_reset(stream, command.code).await?;
                Ok(json!({ "code": code }))
            }
            name => Err(format!("no command {name}")),
        }
    }
}

fn generate_key(kind: &str) -> Outcome<Keypair> {
    match kind {
        "Ed25519" => Ok(Keypair::generate_ed25519()),
        "secp256k1" => Ok(Keypair::generate_secp256k1()),
        "ECDSA" => Ok(Keypair::generate_ecdsa()),
        _ => Err(format!("no key type {kind}")),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let kind = match args.as_slice() {
        [] => "Ed25519",
        [name, kind] if name == "--key" => kind,
        _ => return Err("usage: rust-libp2p [--key TYPE]".into()),
    };
    let (transfer, served) = watch::channel(Transfer::new(Plan::default()));
    let accept = Arc::new(move |protocol: &str, stream| {
        let (protocol, transfer) = (protocol.to_owned(), served.borrow().clone());
        tokio::spawn(async move { serve(&protocol, stream, transfer).await });
    });
    let node = node::start(generate_key(kind)?, &[ECHO, TRANSFER, RESET, HOLD], accept).await?;
    let program = Program { node, transfer };
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let command: Command = serde_json::from_str(&line)?;
        let program = program.clone();
        tokio::spawn(async move {
            let id = command.id;
            let mut answer = match program.obey(command).await {
                Ok(answer) => answer,
                Err(error) => json!({ "error": error }),
            };
            answer["id"] = id.into();
            print(answer);
        });
    }
    Ok(())
}
