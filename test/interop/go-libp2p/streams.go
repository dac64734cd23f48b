package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/libp2p/go-libp2p/core/network"
)

// transfer is what one stream of the transfer protocol carries, both directions at once.
type transfer struct {
	SendSeed    uint32 `json:"sendSeed"`
	Send        int64  `json:"send"`
	ReceiveSeed uint32 `json:"receiveSeed"`
	Receive     int64  `json:"receive"`
	// Reading begins with the command "resume".
	Paused bool `json:"paused"`

	resumed  chan struct{}
	finished chan error
	sent     atomic.Int64
	received atomic.Int64
}

func (t *transfer) prepare() *transfer {
	t.resumed = make(chan struct{})
	t.finished = make(chan error, 1)
	if !t.Paused {
		close(t.resumed)
	}
	return t
}

func (t *transfer) run(s network.Stream) {
	sending := make(chan error, 1)
	go func() { sending <- t.send(s) }()
	err := errors.Join(t.receive(s), <-sending)
	if err != nil {
		s.ResetWithError(network.StreamProtocolViolation)
	} else {
		err = s.Close()
	}
	t.finished <- err
}

func (t *transfer) send(s network.Stream) error {
	source := newPattern(t.SendSeed)
	var chunk [chunkBytes]byte
	for t.sent.Load() < t.Send {
		bytes := chunk[:min(chunkBytes, t.Send-t.sent.Load())]
		source.fill(bytes, t.sent.Load())
		n, err := s.Write(bytes)
		t.sent.Add(int64(n))
		if err != nil {
			return fmt.Errorf("after %d bytes sent: %w", t.sent.Load(), err)
		}
	}
	return s.CloseWrite()
}

func (t *transfer) receive(s network.Stream) error {
	<-t.resumed
	expected := newPattern(t.ReceiveSeed)
	var chunk [chunkBytes]byte
	for {
		n, err := s.Read(chunk[:])
		if wrong := expected.check(chunk[:n], t.received.Load()); wrong != nil {
			return wrong
		}
		received := t.received.Add(int64(n))
		if err == io.EOF && received == t.Receive {
			return nil
		}
		if err != nil {
			return fmt.Errorf("after %d of %d bytes received: %w", received, t.Receive, err)
		}
	}
}

// echo answers until the end of the question, and then ends, too.
func echo(s network.Stream) {
	if _, err := io.Copy(s, s); err != nil {
		s.Reset()
		return
	}
	s.Close()
}

// ask has size bytes of a pattern echoed, and ends its own direction first.
func ask(s network.Stream, seed uint32, size int64) error {
	t := (&transfer{SendSeed: seed, Send: size, ReceiveSeed: seed, Receive: size}).prepare()
	t.run(s)
	return <-t.finished
}

// resetAsTold resets a stream with the code that it carries.
func resetAsTold(s network.Stream) {
	var code uint32
	if err := binary.Read(s, binary.BigEndian, &code); err != nil {
		s.Reset()
		return
	}
	s.ResetWithError(network.StreamErrorCode(code))
}

// askForReset gives the code that the other side resets with when it is asked to.
func askForReset(s network.Stream, code uint32) (uint32, error) {
	if err := binary.Write(s, binary.BigEndian, code); err != nil {
		return 0, err
	}
	return waitForReset(s)
}

func waitForReset(s network.Stream) (uint32, error) {
	_, err := io.Copy(io.Discard, s)
	s.Reset()
	var reset *network.StreamError
	if !errors.As(err, &reset) || !reset.Remote {
		return 0, fmt.Errorf("the stream ended without a reset: %v", err)
	}
	return uint32(reset.ErrorCode), nil
}
