// The dashboard works without this script. It keeps pages current, and adds keys.
"use strict";
(() => {
	const liveHeader = { "Holdfast-Live": "1" };

	// Elements with data-live are replaced when something happened: the page is
	// asked for again, at most once in as many milliseconds as the attribute says.
	const regions = () => [...document.querySelectorAll("[data-live]")];
	const spacing = () => Math.min(...regions().map((e) => Number(e.dataset.live) || 2000));
	let asked = 0, waiting = 0, busy = false, again = false;

	function changed() {
		if (regions().length === 0 || document.hidden) return;
		if (busy) { again = true; return; }
		clearTimeout(waiting);
		waiting = setTimeout(refresh, Math.max(0, asked + spacing() - Date.now()));
	}

	async function refresh() {
		busy = true; again = false; asked = Date.now();
		try {
			const answer = await fetch(location.href, { headers: liveHeader, credentials: "same-origin" });
			if (answer.redirected && new URL(answer.url).pathname === "/login") { location.assign(answer.url); return; }
			if (answer.ok) swap(new DOMParser().parseFromString(await answer.text(), "text/html"));
			await readLog();
		} catch {
			// The stream of updates tells that the connection is lost.
		} finally {
			busy = false;
			if (again) changed();
		}
	}

	// A region somebody works in stays as it is: what they type, open or mark is not lost.
	function inUse(e) {
		const at = document.activeElement, marked = getSelection();
		// :active is what is pressed just now: the click would be lost.
		return e.matches(":active") || (e.contains(at) && at.matches("input, select, textarea")) || e.querySelector("details[open]") ||
			(marked && !marked.isCollapsed && marked.rangeCount > 0 && marked.getRangeAt(0).intersectsNode(e));
	}

	const parts = (d) => [...d.querySelectorAll("[data-live], #log")].map((e) => e.id).join(" ");

	function swap(page) {
		if (parts(page) !== parts(document)) {
			swapAll(page);
			return;
		}
		for (const old of regions()) {
			const next = page.getElementById(old.id);
			if (!next || inUse(old) || old.outerHTML === next.outerHTML) continue;
			const focused = old.contains(document.activeElement) ? place(old, document.activeElement) : null;
			const scrolled = [...old.querySelectorAll(".scroll")].map((e) => e.scrollLeft);
			const adopted = document.importNode(next, true);
			old.replaceWith(adopted);
			[...adopted.querySelectorAll(".scroll")].forEach((e, k) => { e.scrollLeft = scrolled[k] || 0; });
			if (focused) focused(adopted)?.focus({ preventScroll: true });
		}
		if (document.title !== page.title && page.title) document.title = page.title;
	}

	// A page that has other parts than before, such as the first run of a list, is replaced whole.
	function swapAll(page) {
		const old = document.getElementById("main"), next = page.getElementById("main");
		if (!next || inUse(old)) return;
		const log = document.getElementById("log"), adopted = document.importNode(next, true);
		if (log) adopted.querySelector("#log")?.replaceWith(log);
		old.replaceWith(adopted);
	}

	// place remembers which link or button had the focus, by what it leads to.
	function place(region, e) {
		const same = (x) => x.tagName === e.tagName && x.getAttribute("href") === e.getAttribute("href") && x.textContent === e.textContent;
		const all = (r) => [...r.querySelectorAll("a, button, summary, [tabindex]")].filter(same);
		const n = all(region).indexOf(e);
		return (r) => all(r)[n];
	}

	// The log of a run is read on from where the page ends.
	async function readLog() {
		const log = document.getElementById("log");
		if (!log) return;
		const answer = await fetch(log.dataset.log + "?offset=" + log.dataset.at, { headers: liveHeader, credentials: "same-origin" });
		const next = answer.headers.get("Holdfast-Next");
		if (!answer.ok || !next || next === log.dataset.at) return;
		const atEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 8;
		const text = await answer.text();
		log.dataset.at = next;
		log.append(text);
		while (log.childNodes.length > 500) log.firstChild.remove();
		if (atEnd) log.scrollTop = log.scrollHeight;
	}

	// Updates of the service. A page that nobody sees keeps no connection: browsers have few.
	const banner = document.getElementById("connection");
	let stream = null, lost = 0;

	function listen() {
		if (stream || document.hidden || regions().length === 0) return;
		stream = new EventSource("/api/v1/updates");
		stream.onopen = () => { if (lost) changed(); lost = 0; banner.hidden = true; };
		stream.onmessage = changed;
		for (const kind of ["update", "run", "event", "surveyed", "lost"]) stream.addEventListener(kind, changed);
		stream.onerror = () => {
			lost ||= Date.now();
			tellLost();
			if (stream && stream.readyState === EventSource.CLOSED) { hangUp(); setTimeout(() => { listen(); changed(); }, 2000); }
		};
	}

	function tellLost() {
		// A moment without a connection is nothing to speak of.
		if (!lost || Date.now() - lost < 1500) return;
		banner.textContent = "The connection is lost, trying again since " + new Date(lost).toLocaleTimeString() + ". What is shown is of then.";
		banner.hidden = false;
	}

	function hangUp() { stream?.close(); stream = null; }

	document.addEventListener("visibilitychange", () => {
		if (document.hidden) { hangUp(); return; }
		listen();
		changed();
	});
	addEventListener("pagehide", hangUp);
	addEventListener("pageshow", (e) => { if (e.persisted) { listen(); changed(); } });
	setInterval(tellLost, 1000);
	setInterval(changed, 30000); // "3 min ago" grows old by itself
	listen();
	const log = document.getElementById("log");
	if (log) log.scrollTop = log.scrollHeight;

	// A form is sent once, however often its button is pressed.
	document.addEventListener("submit", (e) => {
		if (e.target.method !== "post" || e.defaultPrevented) return;
		if (e.target.dataset.sent) { e.preventDefault(); return; }
		e.target.dataset.sent = "1";
		setTimeout(() => delete e.target.dataset.sent, 5000);
	});

	// Keys. Letters are keys only while nothing is typed into a field.
	const goTo = { a: "/", r: "/runs", s: "/snapshots", p: "/repositories", t: "/tests", e: "/events" };
	let first = "";
	let chosen = -1;

	const entries = () => [...document.querySelectorAll("main tbody th a, main .plan-name a, main .problems a")].filter((a) => a.offsetParent);

	function choose(step) {
		const all = entries();
		if (all.length === 0) return;
		const at = all.indexOf(document.activeElement);
		chosen = Math.max(0, Math.min(all.length - 1, (at < 0 ? chosen : at) + step));
		all[chosen].focus();
		all[chosen].scrollIntoView({ block: "nearest" });
	}

	async function showKeys() {
		let dialog = document.getElementById("keys");
		if (!dialog) {
			const answer = await fetch("/help", { credentials: "same-origin" });
			const keys = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector(".keys");
			if (!keys) { location.assign("/help"); return; }
			dialog = document.createElement("dialog");
			dialog.id = "keys";
			const title = document.createElement("h2"), form = document.createElement("form"), close = document.createElement("button");
			title.textContent = "Keys";
			title.id = "keys-title";
			dialog.setAttribute("aria-labelledby", "keys-title");
			form.method = "dialog";
			close.textContent = "Close";
			form.append(close);
			dialog.append(title, document.importNode(keys, true), form);
			document.body.append(dialog);
		}
		if (!dialog.open) dialog.showModal();
	}

	document.addEventListener("keydown", (e) => {
		if (e.ctrlKey || e.metaKey || e.altKey || e.target.closest("input, select, textarea, dialog")) return;
		const key = first + e.key;
		first = "";
		if (e.key === "g" && key === "g") { first = "g"; setTimeout(() => { first = ""; }, 1500); return; }
		if (key.length === 2 && key[0] === "g" && goTo[key[1]]) { location.assign(goTo[key[1]]); return; }
		if (key === "?") { e.preventDefault(); showKeys(); return; }
		if (key === "j") { choose(1); return; }
		if (key === "k") { choose(-1); return; }
		if (key === "/") {
			const field = document.querySelector("main input[type=search]") || document.getElementById("find");
			if (field) { e.preventDefault(); field.focus(); }
		}
	});

	// On a phone the navigation is a row to scroll in: where one is should be seen.
	const nav = document.querySelector(".top nav"), current = nav?.querySelector("[aria-current]");
	if (current) nav.scrollLeft = current.offsetLeft - nav.offsetLeft - (nav.clientWidth - current.offsetWidth) / 2;

	// A click elsewhere closes the menu.
	document.addEventListener("click", (e) => {
		for (const menu of document.querySelectorAll("details.me[open]")) if (!menu.contains(e.target)) menu.open = false;
	});
})();
