-- Before every script. The record of an alias is a hash: `e` epoch, `o` owner as node:transport,
-- `c` set once somebody has claimed it, `l` last message id, `g` messages lost and not told,
-- `n` messages in the queue, `x` how many of them have their body elsewhere, `s` when the first of
-- them expires, `w` the latest time that was seen. Its queue is a stream: `e` when the message
-- expires, `b` its body or `r` where that is, `t` its topic.
local EPOCH = 1577836800000 -- 2020-01-01T00:00:00Z

local function digits(number)
  return string.format('%.0f', number)
end

-- The time. `given` is for tests.
local function now(given)
  if given ~= '' then
    return tonumber(given)
  end
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

-- The same, but that it never goes back for an alias.
local function clock(given, record)
  return math.max(now(given), tonumber(redis.call('HGET', record, 'w') or '0'))
end

-- Where a message stands in the stream.
local function place(mid)
  return digits(math.floor(mid / 4096) + EPOCH) .. '-' .. digits(mid % 4096)
end

local function message_id(place)
  local ms, seq = string.match(place, '^(%d+)-(%d+)$')
  return (tonumber(ms) - EPOCH) * 4096 + tonumber(seq)
end

local function field(entry, name)
  local fields = entry[2]
  for at = 1, #fields, 2 do
    if fields[at] == name then
      return fields[at + 1]
    end
  end
end

-- Takes entries out of a queue; tells where their bodies were, if elsewhere.
local function take(record, queue, entries, freed)
  if #entries == 0 then
    return
  end
  local shared = 0
  for _, entry in ipairs(entries) do
    redis.call('XDEL', queue, entry[1])
    local body = field(entry, 'r')
    if body then
      shared = shared + 1
      freed[#freed + 1] = body
    end
  end
  if shared > 0 then
    redis.call('HINCRBY', record, 'x', -shared)
  end
  if redis.call('HINCRBY', record, 'n', -#entries) <= 0 then
    redis.call('HDEL', record, 's', 'n', 'x')
    redis.call('DEL', queue)
  end
end

-- Takes out what has expired, and counts it as lost.
local function purge(record, queue, at, freed)
  local soonest = redis.call('HGET', record, 's')
  if not soonest or tonumber(soonest) > at then
    return
  end
  if redis.call('EXISTS', queue) == 0 then
    -- All of it has expired, and gone as a whole.
    local gone = tonumber(redis.call('HGET', record, 'n') or '0')
    redis.call('HINCRBY', record, 'g', gone)
    redis.call('HDEL', record, 's', 'n', 'x')
    return
  end
  local over, next = {}, nil
  for _, entry in ipairs(redis.call('XRANGE', queue, '-', '+')) do
    local expires = tonumber(field(entry, 'e'))
    if expires <= at then
      over[#over + 1] = entry
    elseif not next or expires < next then
      next = expires
    end
  end
  redis.call('HINCRBY', record, 'g', #over)
  take(record, queue, over, freed)
  if next then
    redis.call('HSET', record, 's', digits(next))
  end
end
