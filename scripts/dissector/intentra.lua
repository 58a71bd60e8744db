-- Wireshark dissector of the intentra wire protocol, version 2, written from PROTOCOL.md.
-- Section numbers are those of that page.
--
--   tshark -X lua_script:intentra.lua -d udp.port==9000,intentra -o intentra.keylog:keys.txt -r capture.pcap

local HEADER, TAG, LARGEST = 16, 16, 2048
local HELLO, CHALLENGE = 1200, 68

-- Bit operations: the library of Lua 5.2, the one that Wireshark brings, or the operators of Lua 5.3.
local bits = rawget(_G, "bit32") or rawget(_G, "bit") or load([[return {
  band = function(a, b) return a & b end,
  rshift = function(a, n) return (a & 0xffffffff) >> n end,
  bxor = function(a, b, c, d, e) return a ~ b ~ (c or 0) ~ (d or 0) ~ (e or 0) end
}]])()
local band, bxor, rshift = bits.band, bits.bxor, bits.rshift

--------------------------------------------------------------------------------------------------
-- AES-256 (FIPS 197), one block, as four words in and out
--------------------------------------------------------------------------------------------------

local function xtime(a)
  return a < 128 and a * 2 or bxor(a * 2 - 256, 0x1b)
end

local SBOX, T0, T1, T2, T3 = {}, {}, {}, {}, {}
do
  local power, log = {}, {}
  local a = 1
  for i = 0, 254 do
    power[i], log[a] = a, i
    a = bxor(a, xtime(a))
  end
  for x = 0, 255 do
    local inverse = x == 0 and 0 or power[(255 - log[x]) % 255]
    local s, turned = inverse, inverse
    for _ = 1, 4 do
      turned = turned * 2 % 256 + math.floor(turned / 128)
      s = bxor(s, turned)
    end
    s = bxor(s, 0x63)
    local twice = xtime(s)
    local thrice = bxor(twice, s)
    SBOX[x] = s
    T0[x] = twice * 16777216 + s * 65536 + s * 256 + thrice
    T1[x] = thrice * 16777216 + twice * 65536 + s * 256 + s
    T2[x] = s * 16777216 + thrice * 65536 + twice * 256 + s
    T3[x] = s * 16777216 + s * 65536 + thrice * 256 + twice
  end
end

local function byte3(w) return rshift(w, 24) end
local function byte2(w) return band(rshift(w, 16), 255) end
local function byte1(w) return band(rshift(w, 8), 255) end
local function byte0(w) return band(w, 255) end

local function word(b3, b2, b1, b0)
  return b3 * 16777216 + b2 * 65536 + b1 * 256 + b0
end

local function subWord(w)
  return word(SBOX[byte3(w)], SBOX[byte2(w)], SBOX[byte1(w)], SBOX[byte0(w)])
end

-- key: 32 bytes as a string; returns 60 words, from index 0
local function expandKey(key)
  local w, rcon = {}, 1
  for i = 0, 7 do
    w[i] = word(key:byte(4 * i + 1, 4 * i + 4))
  end
  for i = 8, 59 do
    local t = w[i - 1]
    if i % 8 == 0 then
      t = bxor(subWord(word(byte2(t), byte1(t), byte0(t), byte3(t))), rcon * 16777216)
      rcon = xtime(rcon)
    elseif i % 8 == 4 then
      t = subWord(t)
    end
    w[i] = bxor(w[i - 8], t)
  end
  return w
end

local function encryptBlock(w, a, b, c, d)
  a, b, c, d = bxor(a, w[0]), bxor(b, w[1]), bxor(c, w[2]), bxor(d, w[3])
  for i = 4, 52, 4 do
    a, b, c, d =
      bxor(T0[byte3(a)], T1[byte2(b)], T2[byte1(c)], T3[byte0(d)], w[i]),
      bxor(T0[byte3(b)], T1[byte2(c)], T2[byte1(d)], T3[byte0(a)], w[i + 1]),
      bxor(T0[byte3(c)], T1[byte2(d)], T2[byte1(a)], T3[byte0(b)], w[i + 2]),
      bxor(T0[byte3(d)], T1[byte2(a)], T2[byte1(b)], T3[byte0(c)], w[i + 3])
  end
  return bxor(word(SBOX[byte3(a)], SBOX[byte2(b)], SBOX[byte1(c)], SBOX[byte0(d)]), w[56]),
    bxor(word(SBOX[byte3(b)], SBOX[byte2(c)], SBOX[byte1(d)], SBOX[byte0(a)]), w[57]),
    bxor(word(SBOX[byte3(c)], SBOX[byte2(d)], SBOX[byte1(a)], SBOX[byte0(b)]), w[58]),
    bxor(word(SBOX[byte3(d)], SBOX[byte2(a)], SBOX[byte1(b)], SBOX[byte0(c)]), w[59])
end

--------------------------------------------------------------------------------------------------
-- GCM (NIST SP 800-38D) with 12-byte nonces
--------------------------------------------------------------------------------------------------

local function fourWords(text, at)
  local a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p = text:byte(at, at + 15)
  return word(a, b, c, d), word(e, f, g, h), word(i, j, k, l), word(m, n, o, p)
end

local function fromWords(a, b, c, d)
  return string.char(
    byte3(a), byte2(a), byte1(a), byte0(a), byte3(b), byte2(b), byte1(b), byte0(b),
    byte3(c), byte2(c), byte1(c), byte0(c), byte3(d), byte2(d), byte1(d), byte0(d))
end

-- For each of a block's 16 bytes and each value of it, its product with the hash key: four words in a row.
local function hashTable(a, b, c, d)
  local products = {}
  for position = 0, 15 do
    local base = position * 1024
    for i = 0, 3 do
      products[base + i] = 0
    end
    local value = 128
    while value >= 1 do
      local at = base + value * 4
      products[at], products[at + 1], products[at + 2], products[at + 3] = a, b, c, d
      local carry = band(d, 1)
      d = rshift(d, 1) + band(c, 1) * 2147483648
      c = rshift(c, 1) + band(b, 1) * 2147483648
      b = rshift(b, 1) + band(a, 1) * 2147483648
      a = rshift(a, 1)
      if carry == 1 then
        a = bxor(a, 0xe1000000)
      end
      value = value / 2
    end
    local top = 2
    while top <= 128 do
      for low = 1, top - 1 do
        for i = 0, 3 do
          products[base + (top + low) * 4 + i] = bxor(products[base + top * 4 + i], products[base + low * 4 + i])
        end
      end
      top = top * 2
    end
  end
  return products
end

local function multiply(products, a, b, c, d)
  local text = { byte3(a), byte2(a), byte1(a), byte0(a), byte3(b), byte2(b), byte1(b), byte0(b),
    byte3(c), byte2(c), byte1(c), byte0(c), byte3(d), byte2(d), byte1(d), byte0(d) }
  local w, x, y, z = 0, 0, 0, 0
  for position = 0, 15 do
    local at = position * 1024 + text[position + 1] * 4
    w, x = bxor(w, products[at]), bxor(x, products[at + 1])
    y, z = bxor(y, products[at + 2]), bxor(z, products[at + 3])
  end
  return w, x, y, z
end

local function absorb(products, text, a, b, c, d)
  text = text .. string.rep("\0", -#text % 16)
  for at = 1, #text, 16 do
    local e, f, g, h = fourWords(text, at)
    a, b, c, d = multiply(products, bxor(a, e), bxor(b, f), bxor(c, g), bxor(d, h))
  end
  return a, b, c, d
end

local function makeKey(key)
  local words = expandKey(key)
  return { words = words, products = hashTable(encryptBlock(words, 0, 0, 0, 0)) }
end

-- Strings in; the plaintext, or nil when the tag does not fit. The nonce is four zero bytes and seq as 64 bits.
local function open(key, seq, header, ciphertext, tag)
  local a, b, c, d = absorb(key.products, header, 0, 0, 0, 0)
  a, b, c, d = absorb(key.products, ciphertext, a, b, c, d)
  a, b, c, d = multiply(key.products, a, bxor(b, #header * 8), c, bxor(d, #ciphertext * 8))
  local e, f, g, h = encryptBlock(key.words, 0, 0, seq, 1)
  if fromWords(bxor(a, e), bxor(b, f), bxor(c, g), bxor(d, h)) ~= tag then
    return nil
  end
  local padded, blocks, counter = ciphertext .. string.rep("\0", -#ciphertext % 16), {}, 2
  for at = 1, #padded, 16 do
    local p, q, r, s = fourWords(padded, at)
    e, f, g, h = encryptBlock(key.words, 0, 0, seq, counter)
    blocks[#blocks + 1] = fromWords(bxor(p, e), bxor(q, f), bxor(r, g), bxor(s, h))
    counter = counter + 1
  end
  return table.concat(blocks):sub(1, #ciphertext)
end

--------------------------------------------------------------------------------------------------
-- Fields
--------------------------------------------------------------------------------------------------

local TYPES = { [0] = "DATA", [1] = "ACK", [2] = "HANDSHAKE", [3] = "CONTROL" }
local INTENTS = { [0] = "Realtime", [1] = "Reliable", [2] = "Sequenced" }
local KINDS = { "hello", "challenge", "echo", "message 2", "message 3" }
local PATTERNS = { [0] = "XX", [1] = "XXpsk3", [2] = "IK", [3] = "IKpsk2" }
local STEPS = { "request", "answer" }
local CODES = {
  [0] = "PeerClosed", "LocalClosed", "AuthFail", "ProtocolViolation", "Timeout", "Replaced", "LimitExceeded",
  "TransportClosed"
}
local FRAMES = {
  [0x00] = "PADDING", [0x01] = "REALTIME", [0x02] = "SEQUENCED", [0x03] = "RELIABLE", [0x10] = "ACK", [0x20] = "PING",
  [0x21] = "PONG", [0x30] = "CLOSE", [0x31] = "WAIT", [0x32] = "PATH_CHALLENGE", [0x33] = "PATH_RESPONSE", [0x34] = "REKEY"
}
for t = 0xf0, 0xff do
  FRAMES[t] = "RESERVED"
end

local intentra = Proto("intentra", "intentra transport")
local F, E = {}, {}

local function field(name, make, label, ...)
  F[name] = make("intentra." .. name, label, ...)
end
field("version", ProtoField.uint8, "Version", base.DEC, nil, 0xf0)
field("type", ProtoField.uint8, "Type", base.DEC, TYPES, 0x0f)
field("intent", ProtoField.uint8, "Intent", base.DEC, INTENTS, 0xc0)
field("priority", ProtoField.uint8, "Priority", base.DEC, nil, 0x38)
field("epoch", ProtoField.uint8, "Epoch", base.DEC, nil, 0x06)
field("reserved", ProtoField.uint8, "Reserved", base.DEC, nil, 0x01)
field("payload_len", ProtoField.uint16, "Payload length", base.DEC)
field("conn_id", ProtoField.uint32, "Connection id", base.HEX)
field("seq", ProtoField.uint32, "Packet number", base.DEC)
field("ack", ProtoField.uint32, "Acknowledged", base.DEC)
field("ciphertext", ProtoField.bytes, "Ciphertext")
field("tag", ProtoField.bytes, "Tag")
field("handshake.kind", ProtoField.uint8, "Handshake message", base.DEC, KINDS)
field("handshake.flags", ProtoField.uint8, "Flags", base.HEX)
field("handshake.pinned", ProtoField.bool, "Pinned", 8, nil, 0x01)
field("handshake.pattern", ProtoField.uint8, "Pattern", base.DEC, PATTERNS)
field("handshake.reserved", ProtoField.bytes, "Reserved")
field("handshake.conn_id", ProtoField.uint32, "Initiator's connection id", base.HEX)
field("handshake.nonce", ProtoField.bytes, "Nonce")
field("handshake.cookie", ProtoField.bytes, "Cookie")
field("handshake.noise_len", ProtoField.uint16, "Length of Noise message 1", base.DEC)
field("handshake.noise", ProtoField.bytes, "Noise message")
field("handshake.ephemeral", ProtoField.bytes, "Ephemeral public key")
field("handshake.static", ProtoField.bytes, "Sealed static public key")
field("handshake.payload", ProtoField.bytes, "Sealed payload")
field("handshake.padding", ProtoField.bytes, "Padding")
field("handshake.mac1", ProtoField.bytes, "mac1")
field("frame", ProtoField.none, "Frame")
field("frame.type", ProtoField.uint8, "Type", base.HEX, FRAMES)
field("frame.length", ProtoField.uint16, "Length", base.DEC)
field("frame.body", ProtoField.bytes, "Body")
field("frame.number", ProtoField.uint32, "Message number", base.DEC)
field("frame.payload", ProtoField.bytes, "Payload")
field("frame.token", ProtoField.uint32, "Token", base.HEX)
field("frame.packets", ProtoField.uint32, "Packets opened", base.DEC)
field("frame.messages", ProtoField.uint32, "Messages delivered", base.DEC)
field("frame.next", ProtoField.uint32, "Next expected Reliable number", base.DEC)
field("frame.limit", ProtoField.uint32, "First number not taken", base.DEC)
field("frame.newest_epoch", ProtoField.uint8, "Newest packet's epoch", base.DEC)
field("frame.newest_seq", ProtoField.uint32, "Newest packet's number", base.DEC)
field("frame.delay", ProtoField.uint32, "Microseconds since it came", base.DEC)
field("frame.ranges", ProtoField.bytes, "Ranges received beyond")
field("frame.path_token", ProtoField.bytes, "Token")
field("frame.code", ProtoField.uint8, "Code", base.DEC, CODES)
field("frame.text", ProtoField.string, "Text", base.UNICODE)
field("frame.step", ProtoField.uint8, "Step", base.DEC, STEPS)
field("frame.epoch", ProtoField.uint8, "New epoch", base.DEC)
field("frame.noise", ProtoField.bytes, "Noise message")

local all = {}
for _, f in pairs(F) do
  all[#all + 1] = f
end
intentra.fields = all

-- The names are those of the transport's drop reasons (section 7.1).
local function flag(name, text, severity)
  E[name] = ProtoExpert.new("intentra." .. name, text, expert.group.MALFORMED, severity or expert.severity.ERROR)
end
flag("Truncated", "Truncated: shorter than its parts")
flag("Oversized", "Oversized: above 2,048 bytes")
flag("BadVersion", "BadVersion: the version is not 2")
flag("BadType", "BadType: no such packet type")
flag("ReservedBit", "ReservedBit: the reserved bit is set, or the intent is 3")
flag("LengthMismatch", "LengthMismatch: payload_len is not the length of the payload")
flag("HandshakeMalformed", "HandshakeMalformed: a fixed field or the size is wrong")
flag("MalformedFrame", "MalformedFrame: the list of frames is malformed")
flag("ForbiddenFrame", "ForbiddenFrame: this type of packet does not carry this frame")
flag("AuthFailed", "AuthFailed: no key of the key log opens this packet", expert.severity.WARN)
flag("Cut", "Cut: the capture holds only the beginning of this packet", expert.severity.NOTE)

local experts = {}
for _, e in pairs(E) do
  experts[#experts + 1] = e
end
intentra.experts = experts

--------------------------------------------------------------------------------------------------
-- Key log: one key a line, "conn_id epoch key", as 8 hex digits, one digit and 64 hex digits
--------------------------------------------------------------------------------------------------

intentra.prefs.keylog = Pref.string("Key log", "", "File of session keys: lines of conn_id, epoch and key")

local keys = {}

local function readKeyLog()
  keys = {}
  local path = intentra.prefs.keylog
  if path == nil or path == "" then
    return
  end
  local file, problem = io.open(path, "r")
  if file == nil then
    report_failure("intentra: the key log cannot be read (" .. tostring(problem) .. "); set intentra.keylog")
    return
  end
  for line in file:lines() do
    local id, epoch, hex = line:match("^%s*(%x+)%s+([0-3])%s+(%x+)%s*$")
    if hex ~= nil and #id == 8 and #hex == 64 then
      local name = id:lower() .. epoch
      keys[name] = keys[name] or {}
      local bytes = hex:gsub("%x%x", function(pair) return string.char(tonumber(pair, 16)) end)
      table.insert(keys[name], { bytes = bytes })
    end
  end
  file:close()
end

intentra.init = readKeyLog

-- Epochs are counted modulo 4, so a long session has more than one key of the same name.
local function openAny(connId, epoch, seq, header, ciphertext, tag)
  local candidates = keys[string.format("%08x%d", connId, epoch)]
  if candidates == nil then
    return nil, false
  end
  for i = #candidates, 1, -1 do
    local candidate = candidates[i]
    candidate.key = candidate.key or makeKey(candidate.bytes)
    local plaintext = open(candidate.key, seq, header, ciphertext, tag)
    if plaintext ~= nil then
      return plaintext, true
    end
  end
  return nil, true
end

--------------------------------------------------------------------------------------------------
-- Frames (section 4)
--------------------------------------------------------------------------------------------------

local CONTROL_ONLY = { [0x30] = true, [0x31] = true, [0x32] = true, [0x33] = true, [0x34] = true }
local EXACT = { [0x20] = 4, [0x21] = 12, [0x31] = 0, [0x32] = 8, [0x33] = 8 }
local LEAST = { [0x02] = 4, [0x03] = 4, [0x10] = 17, [0x30] = 1, [0x34] = 2 }

local function dissectBody(frameType, body, tree)
  local length = body:len()
  if length < (LEAST[frameType] or 0) or (EXACT[frameType] ~= nil and length ~= EXACT[frameType])
    or (frameType == 0x10 and (length - 17) % 8 ~= 0) then
    tree:add_proto_expert_info(E.MalformedFrame, "MalformedFrame: a body of " .. length .. " bytes")
    tree:add(F["frame.body"], body)
    return ""
  end
  if frameType == 0x01 then
    tree:add(F["frame.payload"], body)
    return " " .. length .. " B"
  elseif frameType == 0x02 or frameType == 0x03 then
    tree:add(F["frame.number"], body(0, 4))
    if length > 4 then
      tree:add(F["frame.payload"], body(4))
    end
    return " #" .. body(0, 4):uint() .. " " .. length - 4 .. " B"
  elseif frameType == 0x10 then
    tree:add(F["frame.next"], body(0, 4))
    tree:add(F["frame.limit"], body(4, 4))
    tree:add(F["frame.newest_epoch"], body(8, 1))
    tree:add(F["frame.newest_seq"], body(9, 4))
    tree:add(F["frame.delay"], body(13, 4))
    if length > 17 then
      tree:add(F["frame.ranges"], body(17))
    end
    return " " .. body(0, 4):uint()
  elseif frameType == 0x20 or frameType == 0x21 then
    tree:add(F["frame.token"], body(0, 4))
    if frameType == 0x21 then
      tree:add(F["frame.packets"], body(4, 4))
      tree:add(F["frame.messages"], body(8, 4))
    end
    return string.format(" 0x%08x", body(0, 4):uint())
  elseif frameType == 0x32 or frameType == 0x33 then
    tree:add(F["frame.path_token"], body)
  elseif frameType == 0x34 then
    local step = body(0, 1):uint()
    tree:add(F["frame.step"], body(0, 1))
    tree:add(F["frame.epoch"], body(1, 1))
    if length > 2 then
      tree:add(F["frame.noise"], body(2))
    end
    return " " .. (STEPS[step] or "?") .. " of epoch " .. body(1, 1):uint()
  elseif frameType == 0x30 then
    tree:add(F["frame.code"], body(0, 1))
    if length > 1 then
      tree:add(F["frame.text"], body(1))
    end
    if length > 65 then
      tree:add_proto_expert_info(E.MalformedFrame, "MalformedFrame: a text above 64 bytes")
    end
    return " " .. (CODES[body(0, 1):uint()] or body(0, 1):uint())
  else
    tree:add(F["frame.body"], body)
  end
  return ""
end

local function dissectFrames(packetType, tvb, tree, pinfo)
  local at, size, messages, whole = 0, tvb:len(), 0, true
  local names = {}
  while at < size do
    if size - at < 3 or at + 3 + tvb(at + 1, 2):uint() > size then
      tree:add_proto_expert_info(E.MalformedFrame, "MalformedFrame: the last frame goes beyond the end")
      whole = false
      break
    end
    local frameType, length = tvb(at, 1):uint(), tvb(at + 1, 2):uint()
    local name = FRAMES[frameType] or "UNASSIGNED"
    local item = tree:add(F["frame"], tvb(at, 3 + length))
    item:add(F["frame.type"], tvb(at, 1))
    item:add(F["frame.length"], tvb(at + 1, 2))
    local isMessage = frameType >= 0x01 and frameType <= 0x03
    if isMessage then
      messages = messages + 1
    end
    if (isMessage and packetType ~= 0) or (CONTROL_ONLY[frameType] and packetType ~= 3) then
      item:add_proto_expert_info(E.ForbiddenFrame)
    end
    local detail = ""
    if length > 0 then
      detail = dissectBody(frameType, tvb(at + 3, length), item)
    elseif (LEAST[frameType] or EXACT[frameType] or 0) > 0 then
      item:add_proto_expert_info(E.MalformedFrame, "MalformedFrame: an empty body")
    end
    item:set_text("Frame: " .. name .. detail)
    names[#names + 1] = name .. detail
    at = at + 3 + length
  end
  if packetType == 0 and messages == 0 and whole then
    tree:add_proto_expert_info(E.ForbiddenFrame, "ForbiddenFrame: DATA without a message")
  end
  pinfo.cols.info:append(" [" .. table.concat(names, ", ") .. "]")
end

local function dissectSealed(packetType, tvb, tree, pinfo)
  local size = tvb:len()
  local length = size - HEADER - TAG
  if length > 0 then
    tree:add(F["ciphertext"], tvb(HEADER, length))
  end
  tree:add(F["tag"], tvb(size - TAG, TAG))
  local ciphertext = length > 0 and tvb:raw(HEADER, length) or ""
  local plaintext, known = openAny(tvb(4, 4):uint(), math.floor(tvb(1, 1):uint() / 2) % 4, tvb(8, 4):uint(),
    tvb:raw(0, HEADER), ciphertext, tvb:raw(size - TAG, TAG))
  if plaintext == nil then
    if known then
      tree:add_proto_expert_info(E.AuthFailed)
    end
  elseif plaintext == "" then
    tree:add_proto_expert_info(E.MalformedFrame, "MalformedFrame: an empty list")
  else
    dissectFrames(packetType, ByteArray.new(plaintext, true):tvb("Opened intentra packet"), tree, pinfo)
  end
end

--------------------------------------------------------------------------------------------------
-- Handshake (section 5)
--------------------------------------------------------------------------------------------------

local function isZero(range)
  return range:bytes():tohex():match("^0*$") ~= nil
end

-- Noise message 1 of XX: e, payload. Messages 2 and 3: [e,] sealed s, sealed payload.
local function dissectNoise(range, hasEphemeral, hasStatic, tree)
  local item = tree:add(F["handshake.noise"], range)
  local at = 0
  if hasEphemeral and range:len() >= at + 32 then
    item:add(F["handshake.ephemeral"], range(at, 32))
    at = at + 32
  end
  if hasStatic and range:len() >= at + 48 then
    item:add(F["handshake.static"], range(at, 48))
    at = at + 48
  end
  if range:len() > at then
    item:add(F["handshake.payload"], range(at))
  end
  return range:len() >= (hasEphemeral and 32 or 0) + (hasStatic and 64 or 0)
end

local function dissectHandshake(tvb, tree, pinfo)
  local size = tvb:len()
  local malformed = function(text)
    tree:add_proto_expert_info(E.HandshakeMalformed, "HandshakeMalformed: " .. text)
  end
  if tvb(1, 1):uint() ~= 0 or not isZero(tvb(8, 8)) then
    malformed("byte 1, seq or ack is not zero")
  end
  if size < 20 then
    malformed("shorter than any handshake message")
    return
  end
  local kind = tvb(16, 1):uint()
  tree:add(F["handshake.kind"], tvb(16, 1))
  pinfo.cols.info:append(" " .. (KINDS[kind] or "of unknown kind " .. kind))
  if kind == 1 or kind == 3 then
    if size ~= HELLO then
      malformed("hello and echo have 1,200 bytes")
      return
    end
    local flags = tree:add(F["handshake.flags"], tvb(17, 1))
    flags:add(F["handshake.pinned"], tvb(17, 1))
    tree:add(F["handshake.pattern"], tvb(18, 1))
    tree:add(F["handshake.reserved"], tvb(19, 1))
    tree:add(F["handshake.conn_id"], tvb(20, 4))
    tree:add(F["handshake.nonce"], tvb(24, 16))
    if tvb(4, 4):uint() ~= 0 then
      malformed("the conn_id of its header is not 0")
    end
    if tvb(17, 1):uint() > 1 or tvb(19, 1):uint() ~= 0 then
      malformed("a reserved bit or byte is not zero")
    end
    if PATTERNS[tvb(18, 1):uint()] == nil then
      malformed("no such pattern")
    end
    if tvb(20, 4):uint() == 0 then
      malformed("the initiator's conn_id is 0")
    end
    local padding = 40
    if kind == 3 then
      local length = tvb(56, 2):uint()
      tree:add(F["handshake.cookie"], tvb(40, 16))
      tree:add(F["handshake.noise_len"], tvb(56, 2))
      padding = 58
      if length > HELLO - 16 - 58 then
        malformed("Noise message 1 goes beyond its room")
      elseif length == 0 or not dissectNoise(tvb(58, length), true, tvb(18, 1):uint() >= 2, tree) then
        malformed("Noise message 1 is too short")
      else
        padding = 58 + length
      end
    end
    if padding < HELLO - 16 then
      tree:add(F["handshake.padding"], tvb(padding, HELLO - 16 - padding))
    end
    tree:add(F["handshake.mac1"], tvb(HELLO - 16, 16))
    return
  end
  if kind == 2 then
    if size ~= CHALLENGE then
      malformed("a challenge has 68 bytes")
      return
    end
    tree:add(F["handshake.reserved"], tvb(17, 3))
    tree:add(F["handshake.nonce"], tvb(20, 16))
    tree:add(F["handshake.cookie"], tvb(36, 16))
    tree:add(F["handshake.mac1"], tvb(52, 16))
  elseif kind == 4 or kind == 5 then
    tree:add(F["handshake.reserved"], tvb(17, 3))
    -- message 2 of IK has no static key: it is shorter than any of XX
    local hasStatic = kind == 5 or size - 20 >= 96
    if size == 20 or not dissectNoise(tvb(20), kind == 4, hasStatic, tree) then
      malformed("the Noise message is too short")
    end
    if kind == 4 and size - 20 > 1200 then
      malformed("message 2 is longer than 1,200 bytes")
    end
  else
    malformed("no such kind")
    return
  end
  if not isZero(tvb(17, 3)) then
    malformed("a reserved byte is not zero")
  end
end

--------------------------------------------------------------------------------------------------
-- Packets (sections 2 and 7.1)
--------------------------------------------------------------------------------------------------

function intentra.dissector(tvb, pinfo, root)
  local size, reported = tvb:len(), tvb:reported_len()
  pinfo.cols.protocol = "intentra"
  local tree = root:add(intentra, tvb())
  if size < HEADER then
    pinfo.cols.info = "not a whole header"
    tree:add_proto_expert_info(size < reported and E.Cut or E.Truncated)
    return size
  end
  local packetType, intent = tvb(0, 1):uint() % 16, math.floor(tvb(1, 1):uint() / 64)
  tree:add(F["version"], tvb(0, 1))
  tree:add(F["type"], tvb(0, 1))
  tree:add(F["intent"], tvb(1, 1))
  tree:add(F["priority"], tvb(1, 1))
  tree:add(F["epoch"], tvb(1, 1))
  tree:add(F["reserved"], tvb(1, 1))
  tree:add(F["payload_len"], tvb(2, 2))
  tree:add(F["conn_id"], tvb(4, 4))
  tree:add(F["seq"], tvb(8, 4))
  tree:add(F["ack"], tvb(12, 4))
  pinfo.cols.info = string.format("%s conn_id=%08x seq=%d", TYPES[packetType] or "of unknown type " .. packetType,
    tvb(4, 4):uint(), tvb(8, 4):uint())

  local problem
  if reported > LARGEST then
    problem = E.Oversized
  elseif math.floor(tvb(0, 1):uint() / 16) ~= 2 then
    problem = E.BadVersion
  elseif TYPES[packetType] == nil then
    problem = E.BadType
  elseif tvb(1, 1):uint() % 2 == 1 or intent == 3 then
    problem = E.ReservedBit
  elseif tvb(2, 2):uint() ~= reported - HEADER then
    problem = E.LengthMismatch
  elseif packetType ~= 2 and reported < HEADER + TAG then
    problem = E.Truncated
  elseif size < reported then
    problem = E.Cut
  end
  if problem ~= nil then
    tree:add_proto_expert_info(problem)
  elseif packetType == 2 then
    dissectHandshake(tvb, tree, pinfo)
  else
    dissectSealed(packetType, tvb, tree, pinfo)
  end
  return size
end

DissectorTable.get("udp.port"):add_for_decode_as(intentra)
