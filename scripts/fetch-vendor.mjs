// Fetches the third-party sources that vendor/ names, by pinned hash, into .cache/vendor.
// Plain JavaScript for Node >= 20: runs before anything else is there.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { missingHere, TRANSPORTS } from './transports.mjs'

const root = path.resolve(import.meta.dirname, '..')
const cache = path.join(root, '.cache/vendor')
/** Where archives may lie that need not be fetched. */
const archives = process.env.XTP_VENDOR_CACHE ?? cache
const recipes = path.join(root, 'vendor')
/** How a stamp begins where the archive is not the pinned one. */
const UNPINNED = 'unpinned '

const integrityOf = (file, algorithm) =>
  `${algorithm}-${createHash(algorithm).update(fs.readFileSync(file)).digest('base64')}`

/** Packs an npm package without installing it; returns the path of the tarball. */
function packFromNpm(spec, into) {
  const out = execFileSync('npm', ['pack', spec, '--pack-destination', into, '--silent'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit']
  })
  return path.join(into, out.trim().split('\n').at(-1))
}

function verify(file, integrity) {
  const actual = integrityOf(file, integrity.split('-')[0])
  if (actual !== integrity) {
    fs.rmSync(file)
    throw new Error(
      `${path.basename(file)} has ${actual}, but vendor/ pins ${integrity}. ` +
        'The download was removed; try again, and if it happens again do not build.'
    )
  }
}

/** Copies a file of the web; false where there is none or no network. */
function download(url, file) {
  try {
    execFileSync('curl', ['-fsSL', '--retry', '1', '--max-time', '60', '-o', file, url], {
      stdio: 'ignore'
    })
    return true
  } catch {
    fs.rmSync(file, { force: true })
    return false
  }
}

/** Where this machine takes Debian's packages from, for apt. */
export function debianMirror() {
  const options = { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }
  const mirrors = execFileSync('apt-get', ['indextargets', '--format', '$(REPO_URI)'], options)
  const mirror = mirrors.split('\n').find(uri => /debian\/?$/.test(uri))
  if (mirror === undefined) {
    throw new Error('apt has no mirror of Debian')
  }
  return mirror
}

/**
 * Asks apt for a Debian package, of sources or binary, from the mirror that this machine uses, with lists and a
 * cache of its own: nothing of the system changes. Returns the path of the upstream archive, or of the package.
 */
function fromDebian({ source, binary, architecture, suite, version }, into) {
  const dir = name => {
    const made = path.join(into, 'apt', name)
    fs.mkdirSync(path.join(made, 'partial'), { recursive: true })
    return made
  }
  const quiet = { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], cwd: into }
  const sources = path.join(into, 'apt', 'sources.list')
  const options = Object.entries({
    'Dir::State::Lists': dir('lists'),
    'Dir::Cache': dir('cache'),
    'Dir::Cache::Archives': dir('archives'),
    'Dir::Etc::SourceList': sources,
    'Dir::Etc::SourceParts': '/dev/null',
    ...(binary !== undefined && {
      'APT::Architecture': architecture,
      'Dir::State::Status': '/dev/null'
    })
  }).flatMap(([name, value]) => ['-o', `${name}=${value}`])
  const isSource = binary === undefined
  fs.writeFileSync(sources, `${isSource ? 'deb-src' : 'deb'} ${debianMirror()} ${suite} main\n`)
  execFileSync('apt-get', [...options, 'update'], quiet)
  const name = source ?? binary
  const wanted = version === undefined ? name : `${name}=${version}`
  const get = isSource ? ['source', '--download-only'] : ['download']
  execFileSync('apt-get', [...options, ...get, wanted], quiet)
  const kind = isSource ? /\.orig\.tar\.[a-z0-9]+$/ : /\.deb$/
  const archive = fs.readdirSync(into).find(file => kind.test(file))
  if (archive === undefined) {
    throw new Error(`${wanted} has no ${isSource ? 'upstream archive' : 'package'}`)
  }
  return path.join(into, archive)
}

/** From npm, by exact version. Returns the archive, whose hash is still to be compared. */
function fetchFromNpm(name, recipe, work) {
  const spec = `${recipe.npm}@${recipe.version}`
  console.log(`vendor: fetching ${name} from ${spec}`)
  try {
    return { archive: packFromNpm(spec, work) }
  } catch (cause) {
    throw new Error(
      `cannot fetch ${spec} for ${name}: is the package registry reachable? ` +
        `Or put the unpacked sources into ${path.join(cache, name)} and its integrity into .integrity there.`,
      { cause }
    )
  }
}

/**
 * From the first of several places that has it: an archive leaves a distribution when a newer one comes. The last
 * place gives that newer one, with its version; `others` says whether that will do.
 */
function fetchFromArchives(name, recipe, work, { from, others }) {
  const { archive, version, release, debian } = recipe
  const kept = path.join(from, archive)
  const got = path.join(work, archive)
  if (fs.existsSync(kept)) {
    console.log(`vendor: ${name} from ${kept}`)
    fs.copyFileSync(kept, got)
    return { archive: got }
  }
  const failures = []
  if (release !== undefined) {
    console.log(`vendor: fetching ${name} ${version} from its upstream release`)
    if (download(release, got)) {
      return { archive: got }
    }
    failures.push(`${release} cannot be had`)
  }
  console.log(`vendor: fetching ${name} ${version} through apt from Debian ${debian.suite}`)
  // a newer one of the distribution's will do where it is said to be compatible
  const newer = others && debian.compatible !== undefined
  for (const wanted of newer ? [debian.version, undefined] : [debian.version]) {
    try {
      const found = fromDebian({ ...debian, version: wanted }, work)
      if (wanted !== undefined) {
        return { archive: found }
      }
      const newest = path.basename(found).match(/_([^_]+)\.orig/)?.[1] ?? ''
      if (!newest.startsWith(debian.compatible)) {
        throw new Error(`${newest} is not compatible with ${version}`)
      }
      return { archive: found, instead: newest }
    } catch (error) {
      failures.push(error.message.split('\n')[0])
    }
  }
  throw new Error(
    `cannot fetch ${archive} for ${name}: ${failures.join('; ')}. Put the file into ${from} and try again ` +
      `(vendor/${name}/README.md).`
  )
}

/** Unpacks what tar can read, or a Debian package, which is an `ar` archive of such. */
function unpack(archive, into) {
  if (!archive.endsWith('.deb')) {
    execFileSync('tar', ['-xf', archive, '-C', into])
    return
  }
  const members = execFileSync('ar', ['t', archive], { encoding: 'utf8' }).split('\n')
  const data = members.find(name => name.startsWith('data.tar'))
  const file = path.join(into, '..', data)
  fs.writeFileSync(file, execFileSync('ar', ['p', archive, data], { maxBuffer: 2 ** 30 }))
  execFileSync('tar', ['-xf', file, '-C', into])
}

function readStamp(folder) {
  const stamp = path.join(folder, '.integrity')
  return fs.existsSync(stamp) ? fs.readFileSync(stamp, 'utf8') : ''
}

/** Of the sources that were fetched: how they deviate from what vendor/ pins; empty: not at all. */
export function deviation(name, into = cache) {
  const stamp = readStamp(path.join(into, name))
  return stamp.startsWith(UNPINNED) ? stamp : ''
}

function warnOf(name, { version }, installed) {
  console.warn(
    `vendor: WARNING: ${name} ${version} is in none of the places that vendor/${name} names. ` +
      `Building with ${installed}: verified by apt's signatures, not by the pinned hash.`
  )
}

/**
 * Makes the folder .cache/vendor/<name> hold what vendor/<name>/recipe.json pins. Where that is nowhere to be had, it
 * is what the last place of a recipe gives, which is said each time, and is replaced as soon as that changes.
 *
 * @param places - for tests: folders of recipes, of archives, and of what is made
 */
export function fetchVendor(name, places = {}) {
  const { from = archives, into = cache } = places
  const recipe = JSON.parse(
    fs.readFileSync(path.join(places.recipes ?? recipes, name, 'recipe.json'), 'utf8')
  )
  const target = path.join(into, name)
  const stamp = readStamp(target)
  if (stamp === recipe.integrity) {
    return target
  }
  // of another recipe, it is no substitute
  const hasOther = stamp.startsWith(UNPINNED) && stamp.endsWith(` for ${recipe.integrity}`)

  const reason = missingHere(recipe, name)
  if (reason !== undefined) {
    throw new Error(reason)
  }
  fs.mkdirSync(into, { recursive: true })
  const work = fs.mkdtempSync(path.join(into, `${name}-`))
  try {
    const fetchIt = recipe.npm === undefined ? fetchFromArchives : fetchFromNpm
    let found
    try {
      found = fetchIt(name, recipe, work, { from, others: !hasOther })
    } catch (error) {
      if (!hasOther) {
        throw error
      }
      warnOf(name, recipe, stamp)
      return target
    }
    const { archive } = found
    const isPinned = integrityOf(archive, recipe.integrity.split('-')[0]) === recipe.integrity
    const instead = isPinned ? undefined : found.instead
    if (instead === undefined) {
      verify(archive, recipe.integrity)
    }
    const unpackedIn = path.join(work, 'unpacked')
    fs.mkdirSync(unpackedIn)
    unpack(archive, unpackedIn)
    const folder = instead === undefined ? recipe.folder : fs.readdirSync(unpackedIn)[0]
    const unpacked = path.join(unpackedIn, folder)
    for (const file of recipe.licences) {
      const licence = path.join(unpackedIn, file.replace(recipe.folder, folder))
      fs.copyFileSync(licence, path.join(unpacked, `LICENCE.${path.basename(file)}`))
    }
    const installed =
      instead === undefined
        ? recipe.integrity
        : `${UNPINNED}${instead} ${integrityOf(archive, 'sha256')} for ${recipe.integrity}`
    if (instead !== undefined) {
      warnOf(name, recipe, installed)
    }
    fs.writeFileSync(path.join(unpacked, '.integrity'), installed)
    fs.rmSync(target, { recursive: true, force: true })
    fs.renameSync(unpacked, target)
  } finally {
    fs.rmSync(work, { recursive: true, force: true })
  }
  return target
}

if (process.argv[1] === import.meta.filename) {
  for (const name of process.argv.slice(2).length > 0
    ? process.argv.slice(2)
    : Object.values(TRANSPORTS)) {
    console.log(`vendor: ${name} in ${path.relative(root, fetchVendor(name))}`)
  }
}
