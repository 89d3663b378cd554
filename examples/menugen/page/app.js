// MenuGen's page: who are you, may the artist act for you, which menu, and how far is it.

import {artist, authenticate, call, isSignedIn, listen, own, Refused, signOut, upload} from "/packmule.js"

const MENUS = "/v1/collections/menus/records"
const DISHES = "/v1/collections/dishes/records"
const SCOPES = {
  records: "See, add and change your menus and their dishes",
  files: "See your photos, and add pictures",
  jobs: "Have dishes painted in the background",
  events: "Tell you when a menu is ready",
}
// How much of the way reading is; the rest is painting.
const READ = 0.25
const $ = (selector, within = document) => within.querySelector(selector)
const view = $("#view")
let leaveView = () => {}

function show(template) {
  leaveView()
  leaveView = () => {}
  view.replaceChildren($(`#${template}`).content.cloneNode(true))
  return view
}

function tellProblem(failure) {
  const place = $(".problem", view)
  if (!place) throw failure
  place.textContent = failure instanceof Refused ? failure.message : "The kitchen does not answer. Try again in a moment."
  place.hidden = false
}

// Do something that a person asked for: one at a time, and what goes wrong is told.
async function busy(buttons, deed) {
  for (const button of buttons) button.disabled = true
  try {
    await deed()
  } catch (failure) {
    if (failure.status === 401 && isSignedIn()) return leave()
    tellProblem(failure)
  } finally {
    for (const button of buttons) button.disabled = false
  }
}

function leave() {
  signOut()
  location.hash = ""
  begin()
}

function signIn() {
  show("sign-in")
  $("form", view).addEventListener("submit", event => {
    event.preventDefault()
    const {email, password} = Object.fromEntries(new FormData(event.target))
    busy(event.target.querySelectorAll("button"), async () => {
      const answer = await authenticate(event.submitter?.value || "login", {email, password})
      if (answer.done) await begin()
      else if (answer.next === "verify_email") enterCode(email)
      else throw new Refused(401, {detail: `Packmule asks for ${answer.next}, which this page cannot do yet.`})
    })
  })
}

function enterCode(email) {
  show("code")
  $("[data-email]", view).textContent = email
  $("form", view).addEventListener("submit", event => {
    event.preventDefault()
    const key = new FormData(event.target).get("code").trim().toUpperCase()
    busy(event.target.querySelectorAll("button"), async () => {
      await authenticate("email/verify", {key})
      await begin()
    })
  })
}

async function delegation(status) {
  const found = await call("GET", `/v1/delegations?direction=given&actor=${artist}&status=${status}&limit=1`)
  return found.data[0]
}

async function askConsent() {
  const asked = await delegation("pending") || await own("POST", "/ask")
  show("consent")
  $("[data-purpose]", view).textContent = asked.purpose
  $("[data-until]", view).textContent = new Date(asked.expires_at).toLocaleDateString("en", {dateStyle: "long"})
  const resources = new Set(asked.scopes.map(scope => scope.split(":")[0]))
  $(".scopes", view).replaceChildren(...[...resources].map(scopeLine))
  $("button", view).addEventListener("click", event => busy([event.target], async () => {
    await call("POST", `/v1/delegations/${asked.id}/approve`)
    await begin()
  }))
}

function scopeLine(resource) {
  const line = document.createElement("li")
  line.textContent = SCOPES[resource] || resource
  return line
}

async function home() {
  show("home")
  const drop = $(".drop", view), input = $("input", view)
  const take = file => file && busy([input], () => bring(file, drop))
  input.addEventListener("change", () => take(input.files[0]))
  drop.addEventListener("dragover", event => { event.preventDefault(); drop.classList.add("over") })
  drop.addEventListener("dragleave", () => drop.classList.remove("over"))
  drop.addEventListener("drop", event => {
    event.preventDefault()
    drop.classList.remove("over")
    take(event.dataTransfer.files[0])
  })
  const menus = (await call("GET", `${MENUS}?limit=50`)).data
  if (menus.length === 0 || !$(".menus", view)) return  // none, or another view is shown by now
  $(".menus", view).hidden = false
  $(".menus ul", view).replaceChildren(...menus.map(menuLine))
}

async function bring(file, drop) {
  $("b", drop).textContent = "Sending your photo …"
  drop.classList.add("sending")
  try {
    const photo = await upload("photos", file)
    const data = {title: file.name.replace(/\.[^.]*$/, "") || file.name, photo, status: "reading"}
    const menu = await call("POST", MENUS, {data}, photo)
    await order(menu.id)
    location.hash = menu.id
  } finally {
    $("b", drop).textContent = "Choose a photo, or drop it here"
    drop.classList.remove("sending")
  }
}

const order = menu => call("POST", "/v1/jobs", {queue: "menus", kind: "read_menu", payload: {menu}, key: `read ${menu}`})

function menuLine({id, data, created_at}) {
  const line = document.createElement("li"), link = document.createElement("a"), note = document.createElement("span")
  link.href = `#${id}`
  link.textContent = data.title
  const dishes = data.dishes === undefined ? "" : `${dishesOf(data.dishes)}, `
  note.textContent = dishes + new Date(created_at).toLocaleString("en", {dateStyle: "medium", timeStyle: "short"})
  line.append(link, note)
  return line
}

const dishesOf = number => `${number} ${number === 1 ? "dish" : "dishes"}`

async function menu(id) {
  const seen = new Menu(id, show("menu"))
  leaveView = () => seen.leave()
  seen.follow("/v1/events/stream")
  await seen.refresh()
  if (seen.reader && !isOver(seen.reader)) seen.follow(`/v1/jobs/${seen.reader.id}/stream`)
}

// Ends that are no success; what is dead, cancelled or out of time can be run again.
const IN_VAIN = ["dead", "cancelled", "expired"]
const REASONS = {dead: "It did not work out.", cancelled: "It was stopped.", expired: "It took too long."}
const isOver = job => job.state === "succeeded" || IN_VAIN.includes(job.state)

// A menu on the screen. What it shows is read anew whenever something happened.
class Menu {
  constructor(id, place) {
    Object.assign(this, {id, place, cards: {}, again: false, reading: false, streams: [], left: false})
  }

  // Read anew whenever something happens there, until another view is shown.
  follow(path) {
    if (!this.left) this.streams.push(listen(path, () => this.refresh()))
  }

  leave() {
    this.left = true
    for (const end of this.streams) end()
  }

  // Any number of changes while one is being read come to one more reading.
  async refresh() {
    this.again = true
    if (this.reading) return
    this.reading = true
    try {
      while (this.again) {
        this.again = false
        await this.read()
      }
    } catch (failure) {
      if (failure.status === 401) leave()
      else tellProblem(failure)
    } finally {
      this.reading = false
    }
  }

  async read() {
    const record = await call("GET", `${MENUS}/${this.id}`)
    this.data = record.data
    this.reader = (await call("GET", `/v1/jobs?key=${encodeURIComponent(`read ${this.id}`)}&limit=1`)).data[0]
    this.dishes = this.data.status === "reading" ? [] : await everyDish(this.id)
    this.lost = this.reader && this.data.status === "painting" ? await this.lostOnes() : []
    this.failure = this.lost.find(job => job.kind === "illustrate_dish") || this.lost[0]
    const failures = await this.fetchCards()
    if (this.left) return
    this.draw()
    if (failures.length) throw failures[0]
  }

  // Dishes that will not be painted, and what waited for them: that is dead with them, and is to be run again too.
  async lostOnes() {
    const found = await Promise.all(IN_VAIN.map(state => call("GET", `/v1/jobs?parent=${this.reader.id}&state=${state}&limit=200`)))
    return found.flatMap(page => page.data)
  }

  // One card that is not to be had keeps no other from being shown. Returns what went wrong.
  async fetchCards() {
    const wanted = this.dishes.map(dish => dish.picture).filter(picture => picture && !this.cards[picture])
    const ends = await Promise.allSettled(wanted.map(async picture => {
      this.cards[picture] = (await call("GET", `/v1/files/${picture}/derivatives/card/link`)).url
    }))
    return ends.filter(end => end.status === "rejected").map(end => end.reason)
  }

  // One of: reading, painting, done, failed, stopped; in words, how far, and what can be done about it.
  state() {
    const painted = this.dishes.filter(dish => dish.picture).length, all = this.data.dishes
    const job = this.reader
    if (this.data.status === "illustrated") return {words: `${dishesOf(all)}, every one with its picture`, done: 1}
    if (this.lost.length) {
      return {
        words: `${painted} of ${all} painted`, done: READ + (1 - READ) * painted / all, problem: this.why(this.failure),
        deeds: {"Try again": () => this.retry(this.lost)},
      }
    }
    if (this.data.status === "painting") return {words: `${painted} of ${all} painted`, done: READ + (1 - READ) * painted / all}
    if (job?.state === "dead" || job?.state === "expired") return this.failed(job)
    if (job?.state === "cancelled") return {words: "Stopped", done: 0, deeds: {"Read it after all": () => this.retry([job])}}
    if (!job) return {words: "Nobody was asked to read it yet", done: 0, deeds: {"Read it": () => order(this.id)}}
    if (job.state === "cancelling") return {words: "Stopping …", done: READ / 2, busy: true}
    const words = job.state === "retry_wait" ? "Something went wrong; we try again in a moment" : job.message || "Waiting for a reader"
    return {words, done: (job.progress || 0.1) * READ, busy: true, deeds: {"Stop": () => call("POST", `/v1/jobs/${job.id}/cancel`)}}
  }

  why(job) {
    const dish = this.dishes.find(one => one.id === job.payload.dish)
    return `${dish ? `${dish.name}: ` : ""}${job.error?.message || REASONS[job.state]}`
  }

  failed(job) {
    const another = {"Choose another photo": () => { location.hash = "" }}
    const deeds = job.attempt > 1 ? {"Try again": () => this.retry([job]), ...another} : another
    return {words: "This photo could not be read", problem: job.error?.message || "It took too long.", done: 0, deeds}
  }

  // What waited for them waits again, once the last of them runs again.
  async retry(jobs) {
    const first = jobs.filter(job => job.error?.type !== "dependency_failed")
    for (const job of first.length ? first : jobs) await call("POST", `/v1/jobs/${job.id}/retry`, {dependents: true})
  }

  draw() {
    const {words, done, problem, busy: isBusy, deeds = {}} = this.state()
    $("h1", this.place).textContent = this.data.title
    $(".state", this.place).textContent = words
    const bar = $(".bar", this.place)
    bar.hidden = Boolean(problem) || done === 1 || words === "Stopped"
    bar.classList.toggle("busy", Boolean(isBusy))
    bar.setAttribute("aria-valuenow", Math.round(done * 100))
    $("i", bar).style.width = `${Math.max(done * 100, 2)}%`
    const place = $(".problem", this.place)
    place.hidden = !problem
    place.textContent = problem || ""
    $(".buttons", this.place).replaceChildren(...Object.entries(deeds).map(([label, deed]) => this.button(label, deed)))
    this.drawDishes()
    this.drawPhoto()
  }

  button(label, deed) {
    const made = document.createElement("button")
    made.textContent = label
    made.addEventListener("click", () => busy([made], async () => { await deed(); await this.refresh() }))
    return made
  }

  // Cards stay where they are, and change when their dish gets its picture.
  drawDishes() {
    const list = $(".dishes", this.place)
    this.dishes.forEach((dish, number) => {
      const card = list.children[number] || list.appendChild(dishCard(dish))
      const url = this.cards[dish.picture]
      if (url && !$("img", card)) {
        const picture = new Image()
        picture.alt = dish.name
        picture.onload = () => card.classList.add("painted")
        picture.src = url
        $(".picture", card).append(picture)
      }
    })
  }

  async drawPhoto() {
    const picture = $(".photo", this.place)
    if (picture.src) return
    picture.onload = () => { picture.hidden = false }
    picture.src = (await call("GET", `/v1/files/${this.data.photo}/link?disposition=inline`)).url
  }
}

function dishCard({name, prices}) {
  const card = document.createElement("li")
  const picture = document.createElement("div"), title = document.createElement("h3"), price = document.createElement("p")
  picture.className = "picture"
  title.textContent = name
  price.className = "price"
  price.textContent = prices.join(" · ")
  card.append(picture, title, price)
  return card
}

async function everyDish(menu) {
  const found = []
  for (let cursor = ""; cursor !== null;) {
    const more = cursor && `&cursor=${encodeURIComponent(cursor)}`
    const page = await call("GET", `${DISHES}?filter[menu]=${menu}&order=place&limit=200${more}`)
    found.push(...page.data.map(row => ({id: row.id, ...row.data})))
    cursor = page.next_cursor
  }
  return found
}

// The view that is asked for last is the one that is shown, however long another one takes.
let turn = 0

async function begin() {
  const mine = ++turn
  $("#who").hidden = !isSignedIn()
  if (!isSignedIn()) return signIn()
  try {
    const me = await call("GET", "/v1/whoami")
    $("#email").textContent = me.actor.name
    const mayAct = await delegation("active")
    if (mine !== turn) return
    if (!mayAct) return await askConsent()
    const id = location.hash.slice(1)
    await (id.startsWith("rec_") ? menu(id) : home())
  } catch (failure) {
    if (failure.status === 401) return leave()
    if (!$(".problem", view)) show("home")
    tellProblem(failure)
  }
}

$("#leave").addEventListener("click", leave)
addEventListener("hashchange", begin)
begin()
