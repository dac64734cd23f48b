package main

import "fmt"

const (
	blockBytes = 1 << 20
	chunkBytes = 65536
	stripe     = 4096
)

// pattern is the byte source of test/support/bytes.ts.
type pattern struct{ block []byte }

func newPattern(seed uint32) *pattern {
	block := make([]byte, blockBytes+chunkBytes)
	state := seed | 1
	for i := range blockBytes {
		state = state*1664525 + 1013904223
		block[i] = byte(state >> 24)
	}
	copy(block[blockBytes:], block[:chunkBytes])
	return &pattern{block}
}

// fill writes the bytes at offset, at most chunkBytes.
func (p *pattern) fill(bytes []byte, offset int64) {
	start := offset % blockBytes
	copy(bytes, p.block[start:start+int64(len(bytes))])
	for n := offset / stripe; n*stripe < offset+int64(len(bytes)); n++ {
		at := int(n*stripe - offset)
		if at >= 0 {
			bytes[at] = byte(n)
		}
		if at+1 >= 0 && at+1 < len(bytes) {
			bytes[at+1] = byte(n >> 8)
		}
	}
}

// check says which byte at offset is the first wrong one.
func (p *pattern) check(bytes []byte, offset int64) error {
	var expected [chunkBytes]byte
	p.fill(expected[:len(bytes)], offset)
	for i, b := range bytes {
		if b != expected[i] {
			return fmt.Errorf("byte %d is %d instead of %d", offset+int64(i), b, expected[i])
		}
	}
	return nil
}
