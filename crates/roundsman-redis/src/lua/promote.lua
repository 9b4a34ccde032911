-- Doing what is due by the clock, a bounded piece of it.
--
-- ARGV: epoch, now, at most how many of each kind, how long a lane is kept empty, and the sequences
-- of expired messages that are not under way. Answers whether there is more, how many expired,
-- when the next falls due, and the lanes that have something to do, each with its name.

local refusal = fence()
if refusal then return refusal end
local limit, more, open = tonumber(ARGV[3]), 0, {}

-- Lanes that were blocked until now.
local over = call('ZRANGEBYSCORE', UNTIL, '-inf', now, 'LIMIT', 0, limit)
if #over == limit then more = 1 end
for _, lane in ipairs(over) do
  if set_block(lane, false) > 0 then open[lane] = true end
end

-- What expired where it waits. Once a head that is tried again is over, the rest of its lane goes on.
local expired, waiting = 0, {}
for at = 5, #ARGV do
  local seq = ARGV[at]
  local record = find(seq)
  if record and record.expires ~= '' and tonumber(record.expires) <= clock then
    if waits_for(seq, record) then waiting[record.lane] = true end
    finish(seq, record, past_of(seq).a, 'E')
    expired = expired + 1
  end
end
flush()
for lane in pairs(waiting) do
  if set_block(lane, false) > 0 then open[lane] = true end
end

-- Messages whose moment has come, to the ends of their lanes.
local due = call('ZRANGEBYSCORE', DUE, '-inf', now, 'LIMIT', 0, limit)
if #due == limit then more = 1 end
for _, member in ipairs(due) do
  local seq = format('%d', tonumber(member))
  local record = find(seq)
  if not record then
    call('ZREM', DUE, member)
  elseif record.expires ~= '' and tonumber(record.expires) <= clock then
    finish(seq, record, past_of(seq).a, 'E')
    expired = expired + 1
  else
    local again, past = format('%d', call('HINCRBY', STATE, 'seq', 1)), call('HGET', PAST, seq)
    relocate(seq, record, 'K' .. again)
    leave(seq, record)
    flush()
    call('HDEL', MESSAGE, seq)
    record.due = ''
    call('HSET', MESSAGE, again, build(record, body_of(record)))
    if past then
      call('HDEL', PAST, seq)
      call('HSET', PAST, again, past)
    end
    if record.expires ~= '' then
      call('ZREM', EXPIRY, seq)
      call('ZADD', EXPIRY, record.expires, again)
    end
    if push(record.lane, again) then open[record.lane] = true end
  end
end
flush()

-- Ids whose time is over.
local forgotten = call('ZRANGEBYSCORE', FORGET, '-inf', text(clock - DAY), 'LIMIT', 0, limit)
if #forgotten == limit then more = 1 end
many('HDEL', IDS, forgotten)
many('ZREM', FORGET, forgotten)

-- Lanes that ran empty a while ago, and still are.
local empty = call('ZRANGEBYSCORE', IDLE, '-inf', text(clock - tonumber(ARGV[4])), 'LIMIT', 0, limit)
for _, lane in ipairs(empty) do
  if call('EXISTS', queue(lane)) == 0 and not call('HGET', LATER, lane) then
    local name = call('HGET', NAMES, lane)
    if name then
      call('HDEL', NAMES, lane)
      call('HDEL', LANES, name)
    end
  end
end
many('ZREM', IDLE, empty)

local nexts = {
  call('ZRANGE', DUE, 0, 0, 'WITHSCORES')[2] or '',
  call('ZRANGE', UNTIL, 0, 0, 'WITHSCORES')[2] or '',
  call('ZRANGEBYSCORE', EXPIRY, '(' .. now, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)[2] or '',
}
local answer = { more, expired, nexts }
for lane in pairs(open) do
  local name = call('HGET', NAMES, lane)
  if name then
    answer[#answer + 1] = lane
    answer[#answer + 1] = name
  end
end
return answer
