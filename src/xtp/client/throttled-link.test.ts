import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ManualClock } from '../ctl/testing/manual-clock.ts'
import type { ByteLink, LinkHandler } from '../runner/index.ts'
import { ThrottledLink } from './throttled-link.ts'

/** A link that offers 10 kB per millisecond while it is not paused, and takes everything. */
class FastLink implements ByteLink {
  handler?: LinkHandler
  paused = false
  written = 0
  readonly sink = {
    writableLength: 0,
    write: (bytes: Uint8Array) => {
      this.written += bytes.byteLength
    },
    cork() {},
    uncork() {}
  }
  attach(handler: LinkHandler): void {
    this.handler = handler
  }
  pause(): void {
    this.paused = true
  }
  resume(): void {
    this.paused = false
  }
  destroy(): void {
    this.handler?.onEnd()
  }
}

const RATE = 1_000_000

function setUp() {
  const clock = new ManualClock()
  const inner = new FastLink()
  const link = new ThrottledLink(inner, clock, RATE)
  const seen = { received: 0, drains: 0, ends: 0 }
  link.attach({
    onData: bytes => {
      seen.received += bytes.byteLength
    },
    onDrain: () => {
      seen.drains += 1
    },
    onEnd: () => {
      seen.ends += 1
    }
  })
  return { clock, inner, link, seen }
}

test('reading keeps to the rate, by pauses', () => {
  const { clock, inner, seen } = setUp()
  for (let ms = 0; ms < 5_000; ms++) {
    if (!inner.paused) {
      inner.handler?.onData(new Uint8Array(10_000))
    }
    clock.advance(1)
  }
  assert.ok(seen.received <= 5.2 * RATE, `${seen.received}`)
  assert.ok(seen.received >= 4.8 * RATE, `${seen.received}`)
})

test('writing keeps to the rate: full while it is in debt, then a drain', () => {
  const { clock, inner, link, seen } = setUp()
  for (let ms = 0; ms < 5_000; ms++) {
    while (link.sink.writableLength === 0) {
      link.sink.write(new Uint8Array(20_000))
    }
    clock.advance(1)
  }
  assert.ok(inner.written <= 5.2 * RATE && inner.written >= 4.8 * RATE, `${inner.written}`)
  assert.ok(seen.drains > 100)
})

test('what is below the rate never waits', () => {
  const { clock, inner, link } = setUp()
  for (let ms = 0; ms < 2_000; ms++) {
    inner.handler?.onData(new Uint8Array(900))
    link.sink.write(new Uint8Array(900))
    assert.equal(inner.paused, false)
    assert.equal(link.sink.writableLength, 0)
    clock.advance(1)
  }
})

test('the end stops the timers', () => {
  const { clock, inner, link, seen } = setUp()
  link.sink.write(new Uint8Array(10 * RATE))
  inner.handler?.onData(new Uint8Array(10 * RATE))
  link.destroy()
  assert.equal(seen.ends, 1)
  clock.advance(60_000)
  assert.equal(seen.drains, 0)
})
