// A peer of go-libp2p for the tests of interoperability. It prints its address, then obeys commands on its
// standard input and answers them on its standard output, one JSON object a line, until the former ends.
package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/protocol/ping"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	quic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
)

const (
	echoProtocol     = "/test/echo/1.0.0"
	transferProtocol = "/test/transfer/1.0.0"
	// The acceptor resets with the code that it is sent.
	resetProtocol = "/test/reset/1.0.0"
	// The opener resets; the acceptor reports the code.
	holdProtocol = "/test/hold/1.0.0"

	patience = 300 * time.Second
)

type command struct {
	ID      int    `json:"id"`
	Do      string `json:"do"`
	Address string `json:"address"`
	Peer    string `json:"peer"`
	Code    uint32 `json:"code"`
	Streams int    `json:"streams"`
	Bytes   int64  `json:"bytes"`
	transfer
}

type object map[string]any

type program struct {
	host host.Host

	printing sync.Mutex
	output   *json.Encoder

	state  sync.Mutex
	latest *transfer
}

func (p *program) print(line object) {
	p.printing.Lock()
	defer p.printing.Unlock()
	if p.output.Encode(line) != nil {
		os.Exit(1)
	}
}

func (p *program) current() *transfer {
	p.state.Lock()
	defer p.state.Unlock()
	return p.latest
}

// expect makes a transfer the one that "progress", "resume" and "finish" speak of.
func (p *program) expect(t *transfer) *transfer {
	p.state.Lock()
	defer p.state.Unlock()
	p.latest = t.prepare()
	return t
}

func (p *program) serve() {
	p.host.SetStreamHandler(echoProtocol, echo)
	p.host.SetStreamHandler(resetProtocol, resetAsTold)
	p.host.SetStreamHandler(transferProtocol, func(s network.Stream) {
		p.current().run(s)
	})
	p.host.SetStreamHandler(holdProtocol, func(s network.Stream) {
		// tells the opener that the stream is here
		s.Write([]byte{1})
		code, err := waitForReset(s)
		p.print(object{"event": "reset", "code": code, "error": text(err)})
	})
	p.host.Network().Notify(&network.NotifyBundle{
		ConnectedF: func(_ network.Network, c network.Conn) {
			p.print(object{"event": "connected", "peer": c.RemotePeer().String()})
		},
		DisconnectedF: func(_ network.Network, c network.Conn) {
			p.print(object{"event": "disconnected", "peer": c.RemotePeer().String()})
		},
	})
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func (p *program) obey(c *command) (object, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if c.Do == "dial" {
		info, err := peer.AddrInfoFromString(c.Address)
		if err != nil {
			return nil, err
		}
		return object{"peer": info.ID.String()}, p.host.Connect(ctx, *info)
	}
	switch c.Do {
	case "serve":
		p.expect(&c.transfer)
		return object{}, nil
	case "progress":
		t := p.current()
		return object{"sent": t.sent.Load(), "received": t.received.Load()}, nil
	case "resume":
		close(p.current().resumed)
		return object{}, nil
	case "finish":
		return object{}, <-p.current().finished
	}
	id, err := peer.Decode(c.Peer)
	if err != nil {
		return nil, err
	}
	open := func(name string) (network.Stream, error) {
		return p.host.NewStream(ctx, id, protocol.ID(name))
	}
	switch c.Do {
	case "identify":
		agent, err := p.host.Peerstore().Get(id, "AgentVersion")
		if err != nil {
			return nil, err
		}
		protocols, err := p.host.Peerstore().GetProtocols(id)
		return object{"agent": agent, "protocols": protocols}, err
	case "connections":
		return object{"count": len(p.host.Network().ConnsToPeer(id))}, nil
	case "ping":
		result := <-ping.Ping(ctx, p.host, id)
		return object{"ms": result.RTT.Seconds() * 1000}, result.Error
	case "transfer":
		s, err := open(transferProtocol)
		if err != nil {
			return nil, err
		}
		go p.expect(&c.transfer).run(s)
		return object{}, nil
	case "echo":
		return object{}, p.askMany(c, open)
	case "askForReset":
		s, err := open(resetProtocol)
		if err != nil {
			return nil, err
		}
		code, err := askForReset(s, c.Code)
		return object{"code": code}, err
	case "reset":
		s, err := open(holdProtocol)
		if err != nil {
			return nil, err
		}
		if _, err := s.Read(make([]byte, 1)); err != nil {
			return nil, err
		}
		return object{}, s.ResetWithError(network.StreamErrorCode(c.Code))
	case "close":
		for _, connection := range p.host.Network().ConnsToPeer(id) {
			err = errors.Join(err, connection.CloseWithError(network.ConnErrorCode(c.Code)))
		}
		return object{}, err
	}
	return nil, fmt.Errorf("no command %q", c.Do)
}

// askMany has all streams open at once where the other side's limit allows.
func (p *program) askMany(c *command, open func(string) (network.Stream, error)) error {
	results := make(chan error)
	for i := range c.Streams {
		go func() {
			s, err := open(echoProtocol)
			if err == nil {
				err = ask(s, uint32(i), c.Bytes)
			}
			results <- err
		}()
	}
	var err error
	for range c.Streams {
		err = errors.Join(err, <-results)
	}
	return err
}

func generateKey(kind string) (crypto.PrivKey, error) {
	types := map[string]int{
		"Ed25519": crypto.Ed25519, "secp256k1": crypto.Secp256k1, "ECDSA": crypto.ECDSA, "RSA": crypto.RSA,
	}
	number, known := types[kind]
	if !known {
		return nil, fmt.Errorf("no key type %q", kind)
	}
	key, _, err := crypto.GenerateKeyPairWithReader(number, 2048, rand.Reader)
	return key, err
}

func run() error {
	kind := flag.String("key", "Ed25519", "type of the identity key")
	overTCP := flag.Bool("tcp", false, "TCP with noise and yamux, instead of QUIC")
	flag.Parse()
	key, err := generateKey(*kind)
	if err != nil {
		return err
	}
	transport, address := libp2p.Transport(quic.NewTransport), "/ip4/127.0.0.1/udp/0/quic-v1"
	if *overTCP {
		transport, address = libp2p.ChainOptions(
			libp2p.Transport(tcp.NewTCPTransport),
			libp2p.Security(noise.ID, noise.New),
			libp2p.Muxer(yamux.ID, yamux.DefaultTransport),
		), "/ip4/127.0.0.1/tcp/0"
	}
	h, err := libp2p.New(
		libp2p.Identity(key),
		transport,
		libp2p.ListenAddrStrings(address),
		libp2p.ResourceManager(&network.NullResourceManager{}),
		libp2p.UserAgent("go-libp2p-peer"),
	)
	if err != nil {
		return err
	}
	defer h.Close()
	p := &program{host: h, output: json.NewEncoder(os.Stdout)}
	p.serve()
	p.print(object{"address": fmt.Sprintf("%s/p2p/%s", h.Addrs()[0], h.ID())})
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		c := &command{}
		if err := json.Unmarshal(lines.Bytes(), c); err != nil {
			return err
		}
		go func() {
			answer, err := p.obey(c)
			if err != nil {
				answer = object{"error": err.Error()}
			}
			answer["id"] = c.ID
			p.print(answer)
		}()
	}
	return lines.Err()
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
