-- What every script begins with: the keys, the fence, the clock, and the steps that several share.
-- Drawn in lib.rs. Timestamps and sequences travel as text: a double writes 16 digits as 1e+15.

local call, sub, match, format = redis.call, string.sub, string.match, string.format
local STATE, P = KEYS[1], sub(KEYS[1], 1, -6)
local MESSAGE, PAST, LANES, NAMES, BLOCKS = P .. 'message', P .. 'past', P .. 'lanes', P .. 'names', P .. 'blocks'
local TURNS, ABSENT, UNTIL, PARKED, IDLE = P .. 'turns', P .. 'absent', P .. 'until', P .. 'parked', P .. 'idle'
local DUE, LATER, EXPIRY = P .. 'due', P .. 'later', P .. 'expiry'
local ACCOUNTS, HELD, TOPICS = P .. 'accounts', P .. 'held', P .. 'topics'
local IDS, MOVED, FORGET, LETTERS, BODIES, DEAD = P .. 'ids', P .. 'moved', P .. 'forget', P .. 'letters', P .. 'bodies', P .. 'dead'
local CLAIMS, OWNER, NEWS = P .. 'claims', P .. 'owner', P .. 'news'
local DAY = 24 * 3600 * 1000000

local function text(number) return format('%.0f', number) end

-- The server's own time, unless a clock is held for a test.
local now = ARGV[2]
if now == '' then
  local time = call('TIME')
  now = text(time[1] * 1000000 + time[2])
end
local clock = tonumber(now)

local function emptied() return { err = 'EMPTIED the store is no longer there' } end

-- Who has been taken over from changes nothing; nor does anybody where the store was wiped.
local function fence()
  local epoch = call('HGET', STATE, 'epoch')
  if not epoch then return emptied() end
  if epoch ~= ARGV[1] then return { err = 'FENCED epoch ' .. epoch .. ' has taken over' } end
end

-- The same for a node that stands by: the owner shares the store, or did when it ended.
local function aside()
  local state, owner = call('HMGET', STATE, 'epoch', 'shares'), call('GET', OWNER)
  if not state[1] then return emptied() end
  if not state[2] or state[2] == '' or (owner and owner ~= state[2]) then
    return { err = 'FENCED the owner lets none stand by' }
  end
end

-- A command with any number of arguments, in pieces that the stack of Lua holds.
local function many(command, key, list)
  for from = 1, #list, 4000 do
    call(command, key, unpack(list, from, math.min(from + 3999, #list)))
  end
end

local function gather(key, fields)
  if #fields <= 4000 then
    if #fields == 0 then return {} end
    return call('HMGET', key, unpack(fields))
  end
  local found = {}
  for from = 1, #fields, 4000 do
    local part = call('HMGET', key, unpack(fields, from, math.min(from + 3999, #fields)))
    for index = 1, #part do found[from + index - 1] = part[index] end
  end
  return found
end

-- Adds to counts by name; a count of nothing takes no room.
local function tally(key, changes)
  local fields = {}
  for field, by in pairs(changes) do
    if by ~= 0 then fields[#fields + 1] = field end
  end
  local found, set, gone = gather(key, fields), {}, {}
  for index, field in ipairs(fields) do
    local count = (tonumber(found[index]) or 0) + changes[field]
    if count > 0 then
      set[#set + 1] = field
      set[#set + 1] = count
    else
      gone[#gone + 1] = field
    end
  end
  many('HSET', key, set)
  many('HDEL', key, gone)
end

local function add(changes, name, by) changes[name] = (changes[name] or 0) + by end

local function queue(lane) return P .. 'lane:' .. lane end

-- A lane's name is `length of topic:topic key`.
local function split(name)
  if not name then return '', '' end
  local length, from = match(name, '^(%d+):()')
  local behind = from + tonumber(length)
  return sub(name, behind), sub(name, from, behind - 1)
end

local function name_of(lane) return split(call('HGET', NAMES, lane)) end

-- Members of the schedule are padded, so that those due at one moment keep their order.
local function pad(seq) return format('%016d', tonumber(seq)) end

-- A message is `lane due accepted expires length-of-id`, a line feed, its id and its body.
local function parse(value)
  local lane, due, accepted, expires, length, from = match(value, '^(%x+) (%-?%d*) (%-?%d*) (%-?%d*) (%d+)\n()')
  local body = from + tonumber(length)
  return { lane = lane, due = due, accepted = accepted, expires = expires, id = sub(value, from, body - 1), value = value, body = body }
end

-- A body is the length of the event's name, a line feed, that name and the payload.
local function payload_size(value, body)
  local length, from = match(value, '^(%d+)\n()', body)
  return #value - (from - 1) - tonumber(length)
end

local function body_of(record) return sub(record.value, record.body) end

local function build(record, body)
  return record.lane .. ' ' .. record.due .. ' ' .. record.accepted .. ' ' .. record.expires .. ' ' .. #record.id .. '\n' .. record.id .. body
end

local function find(seq)
  local value = call('HGET', MESSAGE, seq)
  return value and parse(value)
end

-- What was tried: a attempts, f failures, c cuts, o cuts alone, t first attempt, g augmented, l log.
local function past_of(seq)
  local past = call('HGET', PAST, seq)
  return past and cjson.decode(past) or { a = 0 }
end

local function conclude(past, attempt, at)
  past.a = math.max(past.a, attempt)
  past.t = past.t or at or now
end

local function fail(past, attempt, failure)
  local log, entry = past.l or {}, cjson.decode(failure)
  -- It failed before that is written down.
  conclude(past, attempt, tonumber(entry.t) < clock and entry.t or now)
  past.f = (past.f or 0) + 1
  entry.n = attempt
  if #log >= 20 then table.remove(log, 1) end
  log[#log + 1] = entry
  past.l = log
end

local function remember(seq, past) call('HSET', PAST, seq, cjson.encode(past)) end

local function absent_member(topic, lane) return #topic .. ':' .. topic .. lane end

-- Takes a lane out of wherever its block has put it; `count` messages are no longer held.
local function unindex(lane, block, key, topic, count)
  local kind = sub(block, 1, 1)
  if kind == 'A' then
    tally(HELD, { [key] = -count })
    if count > 0 then call('HINCRBY', STATE, 'held', -count) end
    call('ZREM', ABSENT, absent_member(topic, lane))
  elseif kind == 'U' then
    call('ZREM', UNTIL, lane)
  else
    call('ZREM', PARKED, sub(block, 2) .. lane)
  end
end

-- Blocks a lane that has messages, or releases it. Answers how many it has.
local function set_block(lane, block)
  local count, was = call('ZCARD', queue(lane)), call('HGET', BLOCKS, lane)
  if count == 0 then block = false end
  if was == block then return count end
  local key, topic = name_of(lane)
  if was then unindex(lane, was, key, topic, count) end
  if not block then
    call('HDEL', BLOCKS, lane)
    if count > 0 then call('ZADD', TURNS, 0, lane) else call('ZREM', TURNS, lane) end
    return count
  end
  call('HSET', BLOCKS, lane, block)
  call('ZREM', TURNS, lane)
  local kind = sub(block, 1, 1)
  if kind == 'A' then
    tally(HELD, { [key] = count })
    call('HINCRBY', STATE, 'held', count)
    call('ZADD', ABSENT, 0, absent_member(topic, lane))
  elseif kind == 'U' then
    call('ZADD', UNTIL, sub(block, 2), lane)
  else
    call('ZADD', PARKED, 0, sub(block, 2) .. lane)
  end
  return count
end

-- Puts a message behind all others of its lane. Answers whether the lane is open.
local function push(lane, seq)
  local key, topic = name_of(lane)
  local block = call('HGET', BLOCKS, lane)
  call('ZADD', queue(lane), seq, seq)
  tally(TOPICS, { [topic] = 1 })
  if not block then
    call('ZADD', TURNS, 0, lane)
  elseif sub(block, 1, 1) == 'A' then
    tally(HELD, { [key] = 1 })
    call('HINCRBY', STATE, 'held', 1)
  end
  return not block
end

-- The lane of this name, made if need be.
local function intern(name, shard)
  local lane = call('HGET', LANES, name)
  if lane then return lane end
  lane = shard .. format('%012x', call('HINCRBY', STATE, 'lanes', 1))
  call('HSET', LANES, name, lane)
  call('HSET', NAMES, lane, name)
  return lane
end

-- What is to be taken out, written down together by `flush`: most of a batch ends in the same way.
local gone, unexpire, undue, unmoved, known, forget = {}, {}, {}, {}, {}, {}
local touched, pulls, unscheduled, uncounted = {}, {}, {}, {}

-- Out of the lane or the schedule; the backlog still counts it.
local function leave(seq, record)
  touched[record.lane] = true
  if record.due == '' then
    local list = pulls[record.lane]
    if list then list[#list + 1] = seq else pulls[record.lane] = { seq } end
  else
    undue[#undue + 1] = pad(seq)
    add(unscheduled, record.lane, 1)
  end
end

local function take_out(seq, record)
  leave(seq, record)
  gone[#gone + 1] = seq
  if record.expires ~= '' then unexpire[#unexpire + 1] = seq end
  add(uncounted, record.lane, 1)
end

-- `fingerprint state settled accepted expires attempts`, then the lane's name with its length, and the past.
local function remember_id(id, state, lane, accepted, expires, attempts, past)
  local was = call('HGET', IDS, id)
  if not was then return end
  local name = call('HGET', NAMES, lane) or '0:'
  known[#known + 1] = id
  known[#known + 1] = sub(was, 1, 32) .. state .. now .. ' ' .. accepted .. ' ' .. expires .. ' ' .. attempts .. ' ' .. #name .. ':' .. name .. past
  forget[#forget + 1] = clock
  forget[#forget + 1] = id
end

-- Ends a message for good: only its id, where the sender gave one, stays.
local function finish(seq, record, attempts, state)
  take_out(seq, record)
  local kind = sub(record.id, 1, 1)
  if kind == 'g' then
    local past = call('HGET', PAST, seq) or ''
    remember_id(sub(record.id, 2), state, record.lane, record.accepted, record.expires, attempts, past)
  elseif kind == 'm' then
    unmoved[#unmoved + 1] = sub(record.id, 2)
  end
end

local function flush()
  many('HDEL', MESSAGE, gone)
  many('HDEL', PAST, gone)
  many('ZREM', EXPIRY, unexpire)
  many('ZREM', DUE, undue)
  many('HDEL', MOVED, unmoved)
  many('HSET', IDS, known)
  many('ZADD', FORGET, forget)
  local lanes = {}
  for lane in pairs(touched) do lanes[#lanes + 1] = lane end
  local names, blocks = gather(NAMES, lanes), gather(BLOCKS, lanes)
  local topics, keys, held, backlog, absent, empty, idle = {}, {}, {}, 0, 0, {}, {}
  for index, lane in ipairs(lanes) do
    local key, topic = split(names[index])
    local pulled, block = pulls[lane], blocks[index]
    if pulled then
      many('ZREM', queue(lane), pulled)
      add(topics, topic, -#pulled)
      if block and sub(block, 1, 1) == 'A' then
        add(held, key, -#pulled)
        absent = absent + #pulled
      end
    end
    if call('EXISTS', queue(lane)) == 0 then
      if pulled then empty[#empty + 1] = lane end
      idle[#idle + 1] = clock
      idle[#idle + 1] = lane
      if block then
        unindex(lane, block, key, topic, 0)
        call('HDEL', BLOCKS, lane)
      end
    end
    if unscheduled[lane] then tally(LATER, { [lane] = -unscheduled[lane] }) end
    if uncounted[lane] then
      add(keys, key, -uncounted[lane])
      backlog = backlog + uncounted[lane]
    end
  end
  tally(TOPICS, topics)
  tally(ACCOUNTS, keys)
  tally(HELD, held)
  if backlog > 0 then call('HINCRBY', STATE, 'backlog', -backlog) end
  if absent > 0 then call('HINCRBY', STATE, 'held', -absent) end
  many('ZREM', TURNS, empty)
  many('ZADD', IDLE, idle)
  gone, unexpire, undue, unmoved, known, forget = {}, {}, {}, {}, {}, {}
  touched, pulls, unscheduled, uncounted = {}, {}, {}, {}
end

-- Lets the id of a message that lies or lay at `seq` lead to `spot`: K kept or X dead, and a sequence.
local function relocate(seq, record, spot)
  if sub(record.id, 1, 1) == 'g' then
    local id = sub(record.id, 2)
    local was = call('HGET', IDS, id)
    if was then call('HSET', IDS, id, sub(was, 1, 32) .. spot) end
    return
  end
  if record.id == '' then record.id = 'm' .. record.lane .. ':' .. seq end
  call('HSET', MOVED, sub(record.id, 2), spot)
end

-- Takes a message out of its lane until `due`.
local function put_off(seq, record, due)
  leave(seq, record)
  flush()
  record.due = due
  call('HSET', MESSAGE, seq, build(record, body_of(record)))
  call('ZADD', DUE, due, pad(seq))
  call('HINCRBY', LATER, record.lane, 1)
end

-- Moves a message to the dead letters.
local function bury(seq, record, past, reason)
  local key, topic = name_of(record.lane)
  relocate(seq, record, 'X' .. seq)
  take_out(seq, record)
  flush()
  local body = body_of(record)
  local letter = {
    l = record.lane, k = key, t = topic, a = record.accepted, e = record.expires, i = record.id,
    r = reason, d = now, p = past, n = payload_size(body, 1),
  }
  call('HSET', LETTERS, seq, cjson.encode(letter))
  call('HSET', BODIES, seq, body)
  call('ZADD', DEAD, seq, seq)
end

-- Whether a lane waits for the moment of this message, its head.
local function waits_for(seq, record)
  if record.due ~= '' then return false end
  local block = call('HGET', BLOCKS, record.lane)
  return block and sub(block, 1, 1) == 'U' and call('ZRANGE', queue(record.lane), 0, 0)[1] == seq
end

-- Where the message of an id lies: K or X and its sequence. Ids are `g` and a sender's own, or `m`
-- and the lane and sequence that a made one names.
local function locate(id)
  local name = sub(id, 2)
  if sub(id, 1, 1) == 'g' then
    local was = call('HGET', IDS, name)
    if was then return sub(was, 33, 33), sub(was, 34), was end
    return
  end
  local moved = call('HGET', MOVED, name)
  if moved then return sub(moved, 1, 1), sub(moved, 2) end
  local lane, seq = match(name, '^(%x+):(%d+)$')
  local record = find(seq)
  -- A place says nothing of who lies there: one with another id may have moved in.
  if record and record.lane == lane and record.id == '' then return 'K', seq end
end
