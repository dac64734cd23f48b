import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { mayReply, mayRequest, maySendEvent, type SessionState } from './allowed.ts'
import { BODY_KINDS, type BodyKind, type RequestKind, type Role } from './messages.ts'

const ROLES: Role[] = ['client', 'service']
const STATES: SessionState[] = ['new', 'ready', 'draining', 'closed']
const KINDS: Array<BodyKind | undefined> = [...BODY_KINDS, undefined]

// Written out on purpose, and not derived from the table: kind, sender, states.
const REQUESTS = `
hello client new
listen client ready
dial client ready
unlisten client ready draining
close client ready draining
ping client ready draining
stats client ready draining
drain client ready draining
shutdown client ready draining
sign service new
undefined client ready draining
undefined service ready draining`

const EVENTS = `
cancel client new ready draining
cancel service new ready draining
accept client ready draining
incoming service ready draining
refused service ready draining
closed service ready draining
addrs service ready draining
log service ready draining
undefined client ready draining
undefined service ready draining`

const REPLIES: Record<RequestKind, BodyKind | undefined> = {
  hello: 'hello',
  listen: 'listening',
  unlisten: undefined,
  dial: 'connected',
  close: undefined,
  ping: 'ping',
  stats: 'statsResult',
  drain: undefined,
  shutdown: undefined,
  sign: 'signed'
}

function expected(table: string): Set<string> {
  const allowed = new Set<string>()
  for (const line of table.trim().split('\n')) {
    const [kind, role, ...states] = line.split(' ')
    for (const state of states) allowed.add(`${kind} ${role} ${state}`)
  }
  return allowed
}

function actual(may: (kind: BodyKind | undefined, role: Role, state: SessionState) => boolean) {
  const allowed = new Set<string>()
  for (const kind of KINDS) {
    for (const role of ROLES) {
      for (const state of STATES)
        if (may(kind, role, state)) allowed.add(`${kind} ${role} ${state}`)
    }
  }
  return allowed
}

describe('allowed messages', () => {
  it('allows exactly these requests, per kind, sender and state', () => {
    assert.deepEqual(actual(mayRequest), expected(REQUESTS))
  })

  it('allows exactly these events, per kind, sender and state', () => {
    assert.deepEqual(actual(maySendEvent), expected(EVENTS))
  })

  it('allows exactly one body per answer, and none with an error', () => {
    for (const [request, reply] of Object.entries(REPLIES) as Array<[RequestKind, BodyKind]>) {
      for (const body of KINDS) {
        assert.equal(mayReply(request, 0, body), body === reply, `${request} ${body}`)
        assert.equal(mayReply(request, 6, body), body === undefined, `${request} ${body}, error`)
      }
    }
  })
})
