// Which files the figures in README are about, and whether they are still about them (CONTRIBUTING.md,
// section Figures).
import { execFileSync } from 'node:child_process'
import { files, fingerprint, root } from './run.mjs'

const DIRS = ['CMakeLists.txt', 'native', 'src', 'vendor']
const IS_TEST = /(\.test\.ts|_test\.(cc|mjs))$|\/testing\/|^native\/attacks\//
const IS_SOURCE = /\.(cc|cpp|c|h|ts|js|proto)$|CMakeLists\.txt$|recipe\.json$/
/** Commits that may touch measured files before somebody measures again. */
const MOST_COMMITS = 50

const git = (...args) => execFileSync('git', args, { cwd: root, encoding: 'utf8' }).trim()

function attempt(...args) {
  try {
    return execFileSync('git', args, {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore']
    }).trim()
  } catch {
    return undefined
  }
}

const measuredFiles = () => files(DIRS, name => IS_SOURCE.test(name) && !IS_TEST.test(name))

/** Of what is measured, as it is on the disk. */
export const measuredHash = () => fingerprint(measuredFiles())

/** The commit whose measured files are on the disk, or nothing where they are in none. */
export function measuredCommit() {
  const dirty = attempt('status', '--porcelain', '--', ...measuredFiles())
  return dirty === '' ? git('rev-parse', '--short=12', 'HEAD') : undefined
}

/**
 * What is wrong with figures of that commit and hash: nothing, or a sentence. A release must have been measured as
 * it is; between releases figures may be `MOST_COMMITS` behind.
 */
export function staleness({ commit, sources }) {
  if (sources === measuredHash()) {
    return undefined
  }
  const tag = attempt('describe', '--tags', '--exact-match', '--match', 'v*')
  if (tag !== undefined) {
    return `${tag} is a release, and its figures are of ${commit}, whose sources differ`
  }
  if (attempt('rev-parse', '--is-shallow-repository') !== 'false') {
    console.log(`figures: of ${commit}; no history here that tells how old that is`)
    return undefined
  }
  if (attempt('merge-base', '--is-ancestor', commit, 'HEAD') === undefined) {
    return `its figures are of ${commit}, which is no commit of this history`
  }
  const names = measuredFiles()
  const behind = Number(git('rev-list', '--count', `${commit}..HEAD`, '--', ...names))
  return behind > MOST_COMMITS
    ? `its figures are of ${commit}, and ${behind} commits have changed measured files since (at most ${MOST_COMMITS})`
    : undefined
}
